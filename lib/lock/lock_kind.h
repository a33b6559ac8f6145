/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_KIND_H
#define HF_LOCK_KIND_H

/*
 * What every kind of lock must do, so that a set (holdfast/lockset.h) can hold locks of all kinds.
 *
 * A kind is one struct hf_lock_ops. What it takes has up to two parts:
 *
 *	- its own lock: flock(2) or fcntl(2) on an inode. It is waited for in the kernel's queue,
 *	  while the locks before it in the order are held.
 *	- an external lock, which other programs take by their own rules, in any order (SQLite's
 *	  write lock, Git's index.lock). It is tried without waiting. If it is busy, the set
 *	  releases everything, waits for that lock alone, and starts again.
 *
 * README.md and holdfast/lock.h explain order, inheritance and borrowing. States of a lock:
 *
 *	CLOSED --open--> OPEN --take--> TAKEN --try--> HELD	(no external lock: TAKEN is HELD)
 *	any state --release--> CLOSED
 *
 *	open	find the object and set st, its identity. Take nothing; may create the file. After a
 *		failure nothing is open.
 *	take	take the own lock, waiting to the deadline. HF_NO: the path names another inode now,
 *		so the lock protects nothing; the set releases everything and sorts again.
 *	try	try the external lock without waiting. HF_BUSY: another process holds it.
 *	wait	wait until the external lock looks free, or the deadline. The lock is CLOSED, and
 *		nothing is held or taken: another process may hold it again when this returns.
 *	release	release what the state says is held, and close. Never fails, never waits.
 *
 * A lock that an ancestor holds for this process need not be taken. hf_lock_inherit() finds it
 * before anything is waited for; hf_lock_flock() borrows before it waits and during the wait,
 * hf_lock_borrow() by itself. The external lock is not tried again. After take, fd holds the lock;
 * it is -1 if an ancestor holds it. release does not touch an inherited lock. `lent` says that fd
 * was given to another process: release closes fd then and does nothing else that ends the
 * exclusion.
 *
 * Errors name the lock by the path that the user wrote. HF_BUSY: not acquired within the deadline.
 * A crash must leave nothing that a later run takes for a held lock. Not thread-safe.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "probe/proc_locks.h"
#include <holdfast/lock.h>

struct hf_lock_ops {
	const char *name; /* of the kind, for messages */
	int rank;
	bool inherits;	/* the own lock is flock(2) on st's inode, which an ancestor may hold */
	bool exclusive; /* the kind cannot be shared */

	/* Kinds of one family (or NULL) take the same inode and may differ in the external lock. If
	 * a set names one lock by several of them, the strictest represents all. */
	const char *family;
	int strictness;

	size_t data_size; /* of kind_data */

	enum hf_status (*open)(struct hf_lock *lock, struct hf_err *err);
	enum hf_status (*take)(struct hf_lock *lock, const struct hf_wait *wait,
			       struct hf_err *err);
	/* all NULL if there is no external lock */
	enum hf_status (*try)(struct hf_lock *lock, struct hf_err *err);
	enum hf_status (*wait)(struct hf_lock *lock, const struct hf_wait *wait,
			       struct hf_err *err);
	void (*release)(struct hf_lock *lock);

	/* Return HF_OK if this process may wait for the external lock, or HF_USAGE. The own locks
	 * are still held. NULL: it may. */
	enum hf_status (*may_wait)(const struct hf_lock *lock, struct hf_err *err);

	/* Free what kind_data has kept beyond release. NULL: nothing. */
	void (*free)(struct hf_lock *lock);
};

enum hf_lock_state { HF_LOCK_CLOSED, HF_LOCK_OPEN, HF_LOCK_TAKEN, HF_LOCK_HELD };

struct hf_lock {
	const struct hf_lock_ops *ops;
	const char *path;
	enum hf_lock_mode mode;
	void *kind_data; /* of ops->data_size, zeros at first; lives as long as the lock */

	enum hf_lock_state state;
	int fd;		 /* holds the lock; from 64 up, close-on-exec; or -1 */
	int external_fd; /* holds the external lock, if that is taken; or -1 */
	struct stat st;	 /* of the open file */

	/* The part of the inode that is locked, by which locks of one inode are ordered. Two
	 * different locks must not overlap. length 0: to the end, however far the file grows. */
	int64_t start, length;

	int inherited;		      /* the descriptor with which an ancestor holds it; or -1 */
	bool borrowed;		      /* inherited is from a keeper: the set closes it */
	bool lent;		      /* fd was given to another process */
	struct hf_lock *duplicate_of; /* this lock by another name, which represents both */
	struct hf_lock *shares_turnstile; /* has the same own lock, and another external lock */
	int64_t deadline;		  /* of the wait in which it is taken */

	/* For statistics. The kind sets the first two. */
	bool contended;	       /* another process held it at first */
	int breaks;	       /* number of stale locks that were moved away */
	int64_t waited, taken; /* nanoseconds, and an instant */
	char *name;	       /* its real path */
};

/* Return a name or path as one number, to be used as start. */
int64_t hf_lock_identity(const char *name);

/* Return the last byte of a range. */
static inline int64_t hf_lock_last(int64_t start, int64_t length)
{
	int64_t last;

	return !length || __builtin_add_overflow(start, length - 1, &last) ? INT64_MAX : last;
}

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

/* Borrow from the keeper of an ancestor a descriptor that is open on this inode and for which
 * fits() returns true. Return it, moved by hf_fd_high(); -1: there is none. */
int hf_lock_borrow_fd(const struct stat *inode, bool (*fits)(void *context, int fd), void *context);

/* Lock fd (lock->fd, or another file that lock->st describes) with flock(2): at once; borrowed,
 * then lock->inherited is set and fd is not locked; or after a wait (holdfast/lock_wait.h). */
enum hf_status hf_lock_flock(struct hf_lock *lock, int fd, const struct hf_wait *wait,
			     struct hf_err *err);

/* The take of a kind with `inherits`: do the same with lock->fd, unless an ancestor holds it. If
 * one does, lock->fd is closed, and the path need not be checked. */
enum hf_status hf_lock_take_flock(struct hf_lock *lock, const struct hf_wait *wait,
				  struct hf_err *err);

/* A range that a descriptor holds: an open file description lock. */
struct hf_range_held {
	int fd;
	int64_t start;
};
typedef bool hf_range_fits(const struct hf_lock *lock, const struct hf_lock_entry *entry);

/*
 * Search fd, or, if it is -1, the descriptors that this process inherited (from 3 up, not
 * close-on-exec), for one that is open on the lock's inode and holds a range for which fits()
 * returns true. Return HF_HELD_SHARED or HF_HELD_EXCLUSIVE with *found, or HF_HELD_NONE. All
 * inherited ones are searched, not only those that the environment names: the kernel reports no PID
 * for such locks, so a wait for an inherited one could not be detected later. HF_HELD_UNKNOWN:
 * /proc is not mounted.
 */
enum hf_held hf_lock_range_find(const struct hf_lock *lock, int fd, hf_range_fits *fits,
				struct hf_range_held *found);

/* Report HF_UNAVAILABLE, for a kind that checks inheritance by itself. */
enum hf_status hf_lock_unproved(const struct hf_lock *lock, struct hf_err *err);

/* Close lock->fd. A release for kinds that need no more: closing releases what no command has
 * inherited. */
void hf_lock_close(struct hf_lock *lock);

#endif
