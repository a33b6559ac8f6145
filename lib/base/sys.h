/* SPDX-License-Identifier: ISC */
#ifndef HF_SYS_H
#define HF_SYS_H

/*
 * The fault table: every system call that changes something, or on which a guarantee depends, is
 * made through sys_NAME().
 *
 * In an ordinary build sys_NAME() is the call itself, inlined. In a build with -DHF_FAULTS the
 * environment decides what happens to a call (README.md has the variables and actions).
 *
 *	HOLDFAST_FAULT=NAME#N:ACTION	the N-th call of that name: kill, stop, skip, EIO …
 *	HOLDFAST_WITHOUT=NAME		switch the mend NAME off
 *	HOLDFAST_FAULT_LOG=PATH		append "N NAME" for each call
 *
 * Errors and results are those of the call. Thread-safe; async-signal-safe where the call is.
 */

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

/* result, name, parameters, arguments */
#define HF_SYSCALLS(X)                                                                             \
	X(int, openat, (int dir, const char *path, int flags, mode_t mode),                        \
	  (dir, path, flags, mode))                                                                \
	X(int, close, (int fd), (fd))                                                              \
	X(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n))                              \
	X(ssize_t, pread, (int fd, void *buf, size_t n, off_t at), (fd, buf, n, at))               \
	X(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))                       \
	X(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at))        \
	X(int, ftruncate, (int fd, off_t size), (fd, size))                                        \
	X(int, fsync, (int fd), (fd))                                                              \
	X(int, fdatasync, (int fd), (fd))                                                          \
	X(int, syncfs, (int fd), (fd))                                                             \
	X(int, fstat, (int fd, struct stat *st), (fd, st))                                         \
	X(int, fstatat, (int dir, const char *path, struct stat *st, int flags),                   \
	  (dir, path, st, flags))                                                                  \
	X(int, fchmod, (int fd, mode_t mode), (fd, mode))                                          \
	X(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))                             \
	X(ssize_t, flistxattr, (int fd, char *list, size_t n), (fd, list, n))                      \
	X(ssize_t, fgetxattr, (int fd, const char *name, void *value, size_t n),                   \
	  (fd, name, value, n))                                                                    \
	X(int, fsetxattr, (int fd, const char *name, const void *value, size_t n, int flags),      \
	  (fd, name, value, n, flags))                                                             \
	X(int, fremovexattr, (int fd, const char *name), (fd, name))                               \
	X(int, linkat, (int from, const char *old, int to, const char *new, int flags),            \
	  (from, old, to, new, flags))                                                             \
	X(int, symlinkat, (const char *target, int dir, const char *path), (target, dir, path))    \
	X(int, renameat2,                                                                          \
	  (int from, const char *old, int to, const char *new, unsigned int flags),                \
	  (from, old, to, new, flags))                                                             \
	X(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags))               \
	X(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode))               \
	X(ssize_t, readlinkat, (int dir, const char *path, char *buf, size_t n),                   \
	  (dir, path, buf, n))                                                                     \
	X(ssize_t, copy_file_range,                                                                \
	  (int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned int flags),            \
	  (in, in_at, out, out_at, n, flags))                                                      \
	X(ssize_t, splice,                                                                         \
	  (int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned int flags),            \
	  (in, in_at, out, out_at, n, flags))                                                      \
	X(int, sync_file_range, (int fd, off_t at, off_t n, unsigned int flags),                   \
	  (fd, at, n, flags))                                                                      \
	X(int, flock, (int fd, int operation), (fd, operation))                                    \
	X(int, ioctl_int, (int fd, unsigned long request, int arg), (fd, request, arg))            \
	X(int, fcntl_lock, (int fd, int command, struct flock *lock), (fd, command, lock))         \
	X(pid_t, fork, (void), ())                                                                 \
	X(pid_t, setsid, (void), ())                                                               \
	X(int, socket, (int domain, int type, int protocol), (domain, type, protocol))             \
	X(int, bind, (int fd, const struct sockaddr *name, socklen_t n), (fd, name, n))            \
	X(int, listen, (int fd, int backlog), (fd, backlog))                                       \
	X(int, connect, (int fd, const struct sockaddr *name, socklen_t n), (fd, name, n))         \
	X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),                     \
	  (fd, message, flags))                                                                    \
	X(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))     \
	X(int, timerfd_create, (int clock, int flags), (clock, flags))                             \
	X(int, timerfd_settime,                                                                    \
	  (int fd, int flags, const struct itimerspec *new, struct itimerspec *old),               \
	  (fd, flags, new, old))

/* Variadic calls, with the one kind of argument that is used here. */
static inline int ioctl_int(int fd, unsigned long request, int arg)
{
	return ioctl(fd, request, arg);
}

static inline int fcntl_lock(int fd, int command, struct flock *lock)
{
	return fcntl(fd, command, lock);
}

#ifdef HF_FAULTS
#define HF_SYS_DECLARE(result, name, parameters, arguments) result sys_##name parameters;
#else
#define HF_SYS_DECLARE(result, name, parameters, arguments)                                        \
	static inline result sys_##name parameters                                                 \
	{                                                                                          \
		return name arguments;                                                             \
	}
#endif
HF_SYSCALLS(HF_SYS_DECLARE)

/* Close fd, or do nothing for -1. errno is preserved. */
void hf_close(int fd);

#ifdef HF_FAULTS
/* Count from 1 again, for a test that forks and continues in the child. */
void hf_fault_reset(void);

/* Count from 1001, in a child that must be distinguished from its parent. */
void hf_fault_forked(void);

bool hf_fault_without(const char *mend);
#define HF_WITHOUT(mend) hf_fault_without(#mend)
#else
#define HF_WITHOUT(mend) false
static inline void hf_fault_forked(void)
{
}
#endif
#undef HF_SYS_DECLARE

#endif
