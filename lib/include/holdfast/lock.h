/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_H
#define HF_LOCK_H

/*
 * What every kind of lock must do, so that a set (holdfast/lockset.h) can hold locks of all kinds.
 *
 * A kind is one struct hf_lock_ops. What it takes has up to two parts:
 *
 *	- its own lock: flock(2) or fcntl(2) on an inode. It is waited for in the kernel's queue,
 *	  while the locks before it in the order are held. All users of this library take such
 *	  locks in one order, so that no two of them deadlock.
 *	- an external lock, which other programs take by their own rules, in any order (SQLite's
 *	  write lock, Git's index.lock). It is tried without waiting. If it is busy, the set
 *	  releases everything, waits for that lock alone, and starts again.
 *
 * The order is that of the rank, and within a rank that of device, inode and start of a range;
 * never that of the path as it is written. Two names of one inode are one lock, and the exclusive
 * one counts. Two worktrees of one Git repository share their own lock, but have an external lock
 * each.
 *
 *	rank 1	file, range, slots	flock(2), or fcntl(2) ranges, on a file or directory
 *	rank 2	dotlock			the existence of a file, and flock(2) on it
 *	rank 3	sqlite			a lock file beside the database; external: its writers
 *	rank 4	git			a lock file in the repository; external: index.lock
 *
 * States of a lock:
 *
 *	CLOSED --open--> OPEN --take--> TAKEN --try--> HELD	(no external lock: TAKEN is HELD)
 *	any state --release--> CLOSED
 *
 *	open	find the object and set st, its identity. Take nothing; may create the file.
 *	take	take the own lock, waiting to the deadline. HF_NO: the path names another inode now,
 *		so the lock protects nothing; the set releases everything and sorts again.
 *	try	try the external lock without waiting. HF_BUSY: another process holds it.
 *	wait	wait until the external lock looks free, or the deadline. The lock is CLOSED, and
 *		nothing is held or taken: another process may hold it again when this returns.
 *	release	release what the state says is held, and close. Never fails, never waits.
 *
 * Inherited locks. A command that runs under a lock inherits the descriptor that holds it. A lock
 * that an ancestor holds for this process need not be taken, and waiting for it would never end.
 * hf_lock_inherit() finds it before anything is waited for, with proof from /proc/self/fdinfo. An
 * exclusive lock satisfies every request, a shared lock a shared one; an exclusive request under an
 * inherited shared lock fails with HF_USAGE. The external lock is not tried again. After take, fd
 * holds the lock; it is -1 if an ancestor holds it. release does not touch an inherited lock.
 *
 * Borrowed locks. lock-acquire leaves a process in the background that keeps locks for an owner. A
 * descendant of the owner that finds such a lock taken asks that process for the descriptor:
 * hf_lock_flock() does so before it waits and during the wait, hf_lock_borrow() by itself. A
 * borrowed lock is like an inherited one, but the set hands its descriptor to the command and
 * closes it. `lent` says that fd was given to another process: release closes fd then and does
 * nothing else that ends the exclusion.
 *
 * Databases come before repositories. A process that holds a lock of rank 4, by inheritance or
 * through the keeper of an ancestor, fails with HF_USAGE instead of waiting for one of rank 3. A
 * kept lock is detected 25 ms into the wait. It may take a free lock, and with HF_NOWAIT the result
 * is HF_BUSY. Ranks 1 and 2 may nest in any order; a deadlock is detected, and one of its processes
 * fails.
 *
 * Crash: flock(2) and fcntl(2) locks of a dead process are free, unless a command that inherited
 * them lives. Signals end nothing; a handler that runs during take costs the place in the queue.
 * Errors name the lock by the path that the user wrote. HF_BUSY: not acquired within the deadline.
 * Not thread-safe: a struct hf_lock belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/err.h>
#include <holdfast/fd.h>
#include <holdfast/lock_wait.h>

struct hf_lock;

/* from this rank on, locks must be taken in the order of ranks */
enum { HF_RANK_STRICT = 3 };

struct hf_lock_ops {
	const char *name; /* of the kind, for messages */
	int rank;
	bool inherits; /* the own lock is flock(2) on st's inode, which an ancestor may hold */

	/* Kinds of one family (or NULL) take the same inode and may differ in the external lock. If
	 * a set names one lock by several of them, the strictest represents all. */
	const char *family;
	int strictness;

	enum hf_status (*open)(struct hf_lock *lock, struct hf_err *err);
	enum hf_status (*take)(struct hf_lock *lock, const struct hf_wait *wait,
			       struct hf_err *err);
	/* both NULL if there is no external lock */
	enum hf_status (*try)(struct hf_lock *lock, struct hf_err *err);
	enum hf_status (*wait)(struct hf_lock *lock, const struct hf_wait *wait,
			       struct hf_err *err);
	void (*release)(struct hf_lock *lock);
};

enum hf_lock_state { HF_LOCK_CLOSED, HF_LOCK_OPEN, HF_LOCK_TAKEN, HF_LOCK_HELD };

struct hf_lock {
	const struct hf_lock_ops *ops;
	const char *path;
	enum hf_lock_mode mode;

	/* Parameters of a kind, set after hf_lockset_add(). */
	int64_t start, length; /* range: bytes; length 0: to the end of the file, however far it
			        * grows */
	int slots;	       /* slots: their number */

	/* Set by the set and the kind. */
	enum hf_lock_state state;
	int fd;			 /* holds the lock; from 64 up, close-on-exec; or -1 */
	int second;		 /* holds the external lock, if that is taken; or -1 */
	struct stat st;		 /* of the open file */
	int inherited;		 /* the descriptor with which an ancestor holds it; or -1 */
	bool borrowed;		 /* inherited is from a keeper: close-on-exec, closed by the set */
	bool lent;		 /* fd was given to another process */
	struct hf_lock *same_as; /* another name of this lock, which represents both */
	struct hf_lock *beside;	 /* that lock has the same own lock; only the external lock is
				  * another */
	int slot;		 /* slots: the number of the slot that was taken */
	bool contended;		 /* another process held it at first; set by the kind */
	int breaks;		 /* number of stale locks that the kind has moved away */
	int64_t deadline;	 /* of the wait in which it is taken */
	int64_t waited, taken;	 /* for statistics: nanoseconds, and an instant */
	char *name;		 /* for statistics: its real path */
	void *own;		 /* the kind's own data: made by open, freed by release */
	struct {
		int fd; /* or -1 */
		uint64_t ticks;
	} seen; /* git: the index.lock that blocks, and since when; survives release */
};

/* Return a name or path as one number, to be used as start. */
int64_t hf_lock_identity(const char *name);

/* Return the last byte of a range. */
static inline int64_t hf_lock_last(int64_t start, int64_t length)
{
	int64_t last;

	return !length || __builtin_add_overflow(start, length - 1, &last) ? INT64_MAX : last;
}

/* Functions that the kinds share. */

/*
 * Open lock->path with `access` (O_RDONLY …) into lock->fd and lock->st. An absent file is created
 * with 0666 & ~umask, also at the end of a dangling symbolic link; an existing file is opened
 * without O_CREAT, since fs.protected_regular would refuse another user's file in a sticky
 * directory. The file is never written to or truncated. Directories and block devices may be
 * locked. HF_DATA: a FIFO, a socket or a character device, which opening could affect.
 * HF_CANTCREAT: the directory does not exist, or is read-only.
 */
enum hf_status hf_lock_open(struct hf_lock *lock, int access, struct hf_err *err);

/* Check that the path still names the open inode. HF_NO: it does not. */
enum hf_status hf_lock_recheck(const struct hf_lock *lock);

/* Set lock->inherited if an ancestor holds the lock. HF_USAGE: it holds it shared, and exclusive is
 * requested. HF_UNAVAILABLE: unknown, since /proc is not mounted. */
enum hf_status hf_lock_inherit(struct hf_lock *lock, struct hf_err *err);

/* Borrow the lock from the keeper of an ancestor: lock->inherited is then the keeper's descriptor.
 * proof() says whether it holds this lock, and in which mode; NULL: test for flock(2) on st's
 * inode. HF_NO: there is no such keeper, as far as known. HF_USAGE: as above. */
enum hf_status hf_lock_borrow(struct hf_lock *lock,
			      bool (*proof)(struct hf_lock *lock, int fd, enum hf_held *held),
			      struct hf_err *err);

/* Lock fd (lock->fd, or another file that lock->st describes) with flock(2): at once; borrowed,
 * then lock->inherited is set and fd is not locked; or after a wait (holdfast/lock_wait.h). */
enum hf_status hf_lock_flock(struct hf_lock *lock, int fd, const struct hf_wait *wait,
			     struct hf_err *err);

/* Report HF_UNAVAILABLE, for a kind that checks inheritance by itself. */
enum hf_status hf_lock_unproved(const struct hf_lock *lock, struct hf_err *err);

/* Close lock->fd. A release for kinds that need no more: closing releases what no command has
 * inherited. */
void hf_lock_close(struct hf_lock *lock);

#endif
