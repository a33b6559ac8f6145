/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_H
#define HF_LOCK_H

/*
 * The contract of a lock: what every kind must do, so that a set can hold them all.
 *
 * A kind is a room with one struct hf_lock_ops. The set (holdfast/lockset.h) knows kinds by that
 * pointer only; a new kind is a new room, and no other changes.
 *
 * What a kind takes has up to two parts:
 *
 *	our own		flock(2) on an inode: the file that the user named, a dotlock's record, the
 *			turnstile of a database or a repository. It is waited for in the kernel's
 *			queue, while the locks before it in the order are held. Everybody who takes
 *			such locks takes them in this one order, so no two can wait for each other.
 *	foreign		a lock that other programs take by their own rules (SQLite's write lock,
 *			Git's index.lock), in whatever order they like. It is tried without waiting.
 *			When it is busy, everything that is held is given back, the busy one alone
 *			is waited for, and the set starts again: never hold and wait across
 *			somebody else's locks.
 *
 * The order is that of the rank, and within a rank that of the canonical identity: device, inode,
 * and the start of a range. Never that of the spelling; two names of one inode are one lock, and
 * the exclusive one of them counts. Two worktrees of one repository have one turnstile, and each
 * its own foreign part: then one lock takes the turnstile, and the other stands beside it.
 *
 *	rank 1	file, range, slots	flock(2), or fcntl(2) ranges, on a file or directory
 *	rank 2	dotlock			a record's existence, and flock on it
 *	rank 3	sqlite			turnstile; foreign: the database's writers
 *	rank 4	git			turnstile; foreign: index.lock
 *
 * The set drives each lock through these states, one way and back:
 *
 *	CLOSED --open--> OPEN --take--> TAKEN --try--> HELD		(no try: TAKEN is HELD)
 *	any state --release--> CLOSED
 *
 *	open	finds the object and fills st, the identity. Takes nothing; may create the file.
 *	take	our own part, waiting to the deadline. HF_NO: while we waited, the path came to name
 *		another inode; what was taken protects nothing. The set gives everything back and
 *		sorts again, since the order may have changed with the identity.
 *	try	the foreign part, at once. HF_BUSY: somebody has it.
 *	wait	until the foreign part looks free, or the deadline. The lock is CLOSED, nothing is
 *		held meanwhile, and nothing is taken: by the time it returns, somebody else may have
 *		it again.
 *	release	gives back whatever the state says is held, and closes. Never fails, never waits.
 *
 * Inherited locks. A command that runs under a lock inherits the descriptor that holds it. What an
 * ancestor holds for us need not be taken, and could never be waited for: hf_lock_inherit() asks
 * holdfast/fd.h's proof for it before anything is waited for. An exclusive lock satisfies
 * everything, a shared one a shared; exclusive wanted under an inherited shared lock is refused at
 * once. An ancestor that holds it has tried the foreign part, which is not tried again. A kind's
 * take then closes what it opened. After take, fd is what holds the lock, or -1 where an ancestor
 * holds it; release leaves that alone.
 *
 * Inversions. A database comes before a repository. One who has inherited a lock of rank 4, or for
 * whose ancestor one is kept, and who would have to wait for one of rank 3, is refused at once
 * (HF_USAGE; what is kept is looked for 25 ms into the wait): the one whom it would wait for may be
 * waiting for the repository, in the right order. What is free it may have, and with
 * HF_NOWAIT it is busy as usual. Ranks 1 and 2 nest as scripts need; their circles are found
 * (wait/deadlock.h).
 *
 * Borrowed locks. An ancestor can have its locks kept by a keeper (keeperd/keeper_start.h), whose
 * descriptors nobody inherits. Whoever finds the lock taken asks for it: hf_lock_flock() does that
 * before it waits, and again when a look aside from the wait finds a keeper that would lend
 * (wait/wait_check.h); hf_lock_borrow() does it by itself. What is got is as if inherited, by the
 * same rules, but for the descriptor, which the set hands on to the command and closes.
 * A keeper says `lent` of a lock whose descriptor it gave away. Its release must not take the lock
 * from whoever works under it: it closes fd, and does no more that ends the exclusion.
 *
 * A process that dies, however it dies, frees flock(2) locks unless a command that inherited them
 * still lives; foreign parts have their own recovery, which is their room's business. Signals end
 * nothing here: a handler that runs during take costs the place in the queue.
 *
 * Errors name the lock by the path that the user wrote. HF_BUSY: not within the deadline.
 * Not thread-safe: one struct hf_lock belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/err.h>
#include <holdfast/fd.h>
#include <holdfast/lock_wait.h>

struct hf_lock;

/* From here on locks nest in the order of ranks only (inversions, above). */
enum { HF_RANK_STRICT = 3 };

struct hf_lock_ops {
	const char *name; /* of the kind, in messages */
	int rank;
	bool inherits; /* our own part is flock(2) on st's inode, which an ancestor may hold */

	/* Kinds of one family (NULL: none) take the same inode, and may differ in the foreign part.
	 * Where a set names one lock by several of them, the strictest stands for all. */
	const char *family;
	int strictness;

	enum hf_status (*open)(struct hf_lock *lock, struct hf_err *err);
	enum hf_status (*take)(struct hf_lock *lock, const struct hf_wait *wait,
			       struct hf_err *err);
	/* NULL, both, where there is no foreign part */
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
	int64_t start, length; /* range: the bytes; length 0: to the end, however far it grows */
	int slots;	       /* slots: how many there are */

	/* The set's and the kind's. */
	enum hf_lock_state state;
	int fd;			 /* what holds the lock, from 64 up, close-on-exec; or -1 */
	int second;		 /* and what holds its foreign part, where that is taken; or -1 */
	struct stat st;		 /* of what is open */
	int inherited;		 /* the descriptor by which an ancestor holds it; or -1 */
	bool borrowed;		 /* it was a keeper's: close-on-exec, and closed by the set */
	bool lent;		 /* fd has been given away */
	struct hf_lock *same_as; /* another name of that lock, which stands for both */
	struct hf_lock *beside;	 /* that one takes our own part; the foreign part is another */
	int slot;		 /* slots: the one that was taken */
	bool contended;		 /* somebody else had it when it was asked for; the kind says so */
	int breaks;		 /* stale ones that the kind has moved out of its way */
	int64_t deadline;	 /* of the wait that it is taken by */
	int64_t waited, taken;	 /* for base/stats_log.h: ns, and an instant */
	char *name;		 /* the same, its real path */
	void *own;		 /* what a kind needs besides: made by open, freed by release */
	struct {
		int fd; /* or -1 */
		uint64_t ticks;
	} seen; /* git: the index.lock in the way, and since when; stays when it is released */
};

/* A name, or a path, as one number: for what start is then. */
int64_t hf_lock_identity(const char *name);

/* The last byte of a range. */
static inline int64_t hf_lock_last(int64_t start, int64_t length)
{
	int64_t last;

	return !length || __builtin_add_overflow(start, length - 1, &last) ? INT64_MAX : last;
}

/*
 * What the kinds share.
 */

/* Open lock->path by `access` (O_RDONLY …) into lock->fd and lock->st. An absent file is created
 * 0666 & ~umask, at a dangling link's end; a file that is there is opened without O_CREAT, since
 * fs.protected_regular would refuse another user's in a sticky directory. Never written to, never
 * truncated. HF_DATA: a FIFO, a socket or a character device (opening one can set it to work).
 * Directories and block devices may be locked. HF_CANTCREAT: no such directory, read-only. */
enum hf_status hf_lock_open(struct hf_lock *lock, int access, struct hf_err *err);

/* Does the path still name the inode that is open? HF_NO: it does not. */
enum hf_status hf_lock_recheck(const struct hf_lock *lock);

/* Set lock->inherited, if an ancestor holds it for us (see above). HF_USAGE: an ancestor holds it
 * shared, and exclusive is wanted. HF_UNAVAILABLE: it cannot be known, since /proc is not there. */
enum hf_status hf_lock_inherit(struct hf_lock *lock, struct hf_err *err);

/* Does an ancestor have it kept? Then lock->inherited is the keeper's descriptor, of which proof()
 * says whether it holds this lock, and how; NULL: flock(2) on st's inode. HF_NO: no, or not that
 * is known. HF_USAGE: as above. */
enum hf_status hf_lock_borrow(struct hf_lock *lock,
			      bool (*proof)(struct hf_lock *lock, int fd, enum hf_held *held),
			      struct hf_err *err);

/* Lock fd (lock->fd, or of another file that lock->st describes) by flock(2): at once, or borrowed
 * (lock->inherited tells: fd is not locked then), or waited for as holdfast/lock_wait.h says. */
enum hf_status hf_lock_flock(struct hf_lock *lock, int fd, const struct hf_wait *wait,
			     struct hf_err *err);

/* HF_UNAVAILABLE, for a kind that has its own way to inherit. */
enum hf_status hf_lock_unproved(const struct hf_lock *lock, struct hf_err *err);

/* Close lock->fd. A release for kinds that need no more: closing gives back what no command
 * inherited. */
void hf_lock_close(struct hf_lock *lock);

#endif
