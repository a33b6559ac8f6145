/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_H
#define HF_LOCK_H

/*
 * One lock of a set. hf_lockset_add() (holdfast/lockset.h) makes it, for a kind and a path;
 * hf_lockset_free() frees it with the set.
 *
 * All users of this library take locks in one order, so that no two of them deadlock: by the rank
 * of the kind, and within a rank by device, inode and start of a range; never by the path as it is
 * written. Two names of one inode are one lock, and the exclusive one counts. Two worktrees of one
 * Git repository share a turnstile, but each has an index.lock.
 *
 *	rank 1	file, range, slots	flock(2), or fcntl(2) ranges, on a file or directory
 *	rank 2	dotlock			the existence of a file, and flock(2) on it
 *	rank 3	sqlite			a lock file beside the database; its other writers
 *	rank 4	git			a lock file in the repository; index.lock
 *
 * Inherited locks. A command that runs under a lock inherits the descriptor that holds it. A lock
 * that an ancestor holds for this process is not taken again, since the wait would never end. An
 * exclusive lock satisfies every request, a shared lock a shared one; an exclusive request under an
 * inherited shared lock fails with HF_USAGE. /proc/self/fdinfo is the proof.
 *
 * Borrowed locks. lock-acquire leaves a process in the background that keeps locks for an owner. A
 * descendant of the owner that finds such a lock taken asks that process for the descriptor. A
 * borrowed lock is like an inherited one, but the set hands its descriptor to the command and
 * closes it.
 *
 * Databases come before repositories. A process that holds a lock of rank 4, by inheritance or
 * through the keeper of an ancestor, fails with HF_USAGE instead of waiting for one of rank 3. A
 * kept lock is detected 25 ms into the wait. The process may take a free lock, and with HF_NOWAIT
 * the result is HF_BUSY. Ranks 1 and 2 may nest in any order; a deadlock is detected, and one of
 * its processes fails.
 *
 * Crash: flock(2) and fcntl(2) locks of a dead process are free, unless a command that inherited
 * them lives. Signals end nothing; a handler that runs during a wait costs the place in the queue.
 * Errors name the lock by the path that the user wrote. HF_BUSY: not acquired within the deadline.
 * Not thread-safe: a lock belongs to one thread at a time.
 */

#include <stdbool.h>

#include <holdfast/err.h>
#include <holdfast/fd.h>
#include <holdfast/lock_wait.h>

struct hf_lock;
struct hf_lock_ops; /* a kind of lock: hf_lock_file, hf_lock_git … */

/* Return the path that was given to hf_lockset_add(). */
const char *hf_lock_path(const struct hf_lock *lock);

/* Return the descriptor that holds the lock: 64 or above, close-on-exec. -1: the lock is not held,
 * or an ancestor holds it. */
int hf_lock_fd(const struct hf_lock *lock);

/* Return the descriptor by which an ancestor, or its keeper, holds the lock; or -1. */
int hf_lock_inherited_fd(const struct hf_lock *lock);

/* Return true if hf_lock_inherited_fd() was borrowed from a keeper. */
bool hf_lock_is_borrowed(const struct hf_lock *lock);

#endif
