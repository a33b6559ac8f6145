/* SPDX-License-Identifier: ISC */
#ifndef HF_FD_H
#define HF_FD_H

/*
 * Descriptors: where locks live, and the proof of what one holds.
 *
 * A flock(2) lock belongs to the open file description, and a command inherits it with the
 * descriptor. lock-run moves its descriptors to 64 and up, where scripts do not use numbers by
 * hand, and names them in the environment: HOLDFAST_LOCKS=64,65. A nested tool believes none of
 * that: the environment may be stale or forged, the number may have been reused. It looks
 *
 *	/proc/self/fdinfo/64:   lock: 1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
 *
 * which is the kernel's word that this very description holds the lock, and takes the inode from
 * fstat(64). Never by flock() on it: that converts the lock, and a conversion that fails loses it.
 * Without /proc nothing can be proved, and HF_HELD_UNKNOWN is the answer; the caller must then
 * refuse to wait for what may be its own ancestor's lock.
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
	HF_HELD_UNKNOWN, /* /proc is not there */
};

/* Which flock(2) lock does this descriptor hold? */
enum hf_held hf_fd_held(int fd);

/* Does it hold any lock, flock(2)'s or a range of fcntl(2)'s? Where it cannot be known: yes. */
bool hf_fd_locks(int fd);

/* Among the descriptors that the environment names: one that holds a lock on this inode. The
 * strongest is returned, its number in *fd. */
enum hf_held hf_fd_inherited(const struct stat *inode, int *fd);

/* Calls each() for every descriptor that the environment names and that proves to hold a flock(2)
 * lock and to be inherited, until it returns false. */
void hf_fd_inherited_each(bool (*each)(void *context, int fd), void *context);

/* Move fd to HF_FD_BASE or above, close-on-exec; the old number is closed. Where the limit
 * (RLIMIT_NOFILE) has no room there, to 10 or above, or it stays where it is. -1 with errno, and
 * then fd is as it was. */
int hf_fd_high(int fd);

/* Set HOLDFAST_LOCKS for commands to come: what it named (and still proves) and these. */
enum hf_status hf_fd_export(const int *fds, size_t count, struct hf_err *err);

#endif
