/* SPDX-License-Identifier: ISC */
#ifndef HF_FD_H
#define HF_FD_H

/*
 * Descriptors: which locks they hold, and inherited locks.
 *
 * A flock(2) lock belongs to the open file description, and a command inherits it with the
 * descriptor. lock-run moves its descriptors to 64 and up, where scripts do not use numbers by
 * hand, and lists them in the environment: HOLDFAST_LOCKS=64,65. A nested tool does not believe the
 * list: it may be stale or forged, and the number may have been reused. It reads
 *
 *	/proc/self/fdinfo/64:   lock: 1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
 *
 * in which the kernel says that this description holds the lock, and takes the inode from
 * fstat(64). It never calls flock(2) for that, which would convert the lock, and lose it when the
 * conversion fails. Without /proc the answer is HF_HELD_UNKNOWN; the caller must then refuse to
 * wait for a lock that may be its own ancestor's.
 *
 * Never blocks. Thread-safe except hf_fd_export(), which changes the environment.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/err.h>

enum { HF_FD_BASE = 64 };
#define HF_FD_ENV "HOLDFAST_LOCKS"

enum hf_held {
	HF_HELD_NONE,
	HF_HELD_SHARED,
	HF_HELD_EXCLUSIVE,
	HF_HELD_UNKNOWN, /* /proc is not mounted */
};

/* Return which flock(2) lock fd holds. */
enum hf_held hf_fd_held(int fd);

/* Return true if fd holds a flock(2) or fcntl(2) lock, or if /proc cannot tell. */
bool hf_fd_locks(int fd);

/* Search the descriptors that the environment names for one that holds a lock on this inode. Return
 * the strongest such lock; *fd is its descriptor. */
enum hf_held hf_fd_inherited(const struct stat *inode, int *fd);

/* Call each() for every descriptor that the environment names, that is inherited, and that provably
 * holds a flock(2) lock, until it returns false. */
void hf_fd_inherited_each(bool (*each)(void *context, int fd), void *context);

/* Move fd to HF_FD_BASE or above, close-on-exec, and close the old number. If RLIMIT_NOFILE forbids
 * that, move it to 10 or above, or leave it. Return the new number; -1 with errno, with fd
 * unchanged. */
int hf_fd_high(int fd);

/* Set HOLDFAST_LOCKS for later commands: the descriptors that it named and that still hold locks,
 * and these. */
enum hf_status hf_fd_export(const int *fds, size_t count, struct hf_err *err);

#endif
