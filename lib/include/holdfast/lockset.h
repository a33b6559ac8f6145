/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCKSET_H
#define HF_LOCKSET_H

/*
 * A lock set: any number of locks, of any kind, taken as a whole.
 *
 *	struct hf_wait wait = {.deadline = hf_deadline_in(10 * HF_SECOND)};
 *	struct hf_lockset *set = hf_lockset_new();
 *	struct hf_err err;
 *
 *	if (!hf_lockset_add(set, &hf_lock_file, "a.lock", HF_LOCK_EXCLUSIVE, &err) ||
 *	    !hf_lockset_add(set, &hf_lock_file, "b.lock", HF_LOCK_SHARED, &err) ||
 *	    hf_lockset_acquire(set, &wait, &err) != HF_OK) {
 *		fprintf(stderr, "%s\n", err.message);
 *		…
 *	}
 *	…				(both are held)
 *	hf_lockset_free(set);		(gives them back, in reverse)
 *
 * In whatever order they were added, they are taken in the one order of holdfast/lock.h, against
 * the one deadline of `wait`, in phases:
 *
 *	L1 open		every lock, to learn its identity; sort; two names of one inode are one;
 *			look for what is inherited. Nothing is held.
 *	L2 take		our own parts, in order, each waited for while those before it are held.
 *	L3 try		the foreign parts, in order, without waiting.
 *
 * L2 finds that a path names another inode than the one that was locked: everything is given back,
 * and L1 begins again. L3 finds one busy: everything is given back, that one alone is waited for,
 * and L1 begins again. So nothing foreign is ever waited for while something is held, and what is
 * held in the end was all held at one instant.
 *
 * In L2 and L3 nothing of rank 3 is waited for under an inherited lock of rank 4 (holdfast/lock.h).
 *
 * acquire is all or nothing: on any failure nothing is held, and the set may be tried again. A
 * process that dies frees what it held. Release closes; a child that was forked meanwhile, and a
 * command that inherited descriptors (hf_lockset_fds()), keeps the locks until it ends too.
 *
 * With HOLDFAST_STATS set, each acquisition leaves a line in a file (base/stats_log.h).
 *
 * Not thread-safe; one thread at a time has a set. Two sets of one process exclude each other as
 * two processes do, so a thread that waits for what its own other set holds is refused (HF_USAGE).
 */

#include <holdfast/lock.h>

struct hf_lockset;

/* NULL: no memory, which hf_lockset_add() will report. */
struct hf_lockset *hf_lockset_new(void);

/* Add a lock; path is copied. The result belongs to the set; a kind's parameters (holdfast/lock.h:
 * start, length, slots) may be set in it before acquire. NULL: no memory, or an empty path
 * (HF_USAGE). */
struct hf_lock *hf_lockset_add(struct hf_lockset *set, const struct hf_lock_ops *ops,
			       const char *path, enum hf_lock_mode mode, struct hf_err *err);

/* Take them all, or nothing; not while they are held. An empty set is held at once. */
enum hf_status hf_lockset_acquire(struct hf_lockset *set, const struct hf_wait *wait,
				  struct hf_err *err);

/* The descriptors that hold the locks, for struct hf_command's keep and hf_fd_export(): those that
 * this set took or borrowed, not what it inherited. Valid until release. */
size_t hf_lockset_fds(const struct hf_lockset *set, const int **fds);

/* The locks themselves, in their order once they are held. Valid until the next add. */
size_t hf_lockset_locks(const struct hf_lockset *set, struct hf_lock *const **locks);

/* This process is about to become the command that inherits the locks (exec): nobody is left to say
 * how long they were held. */
void hf_lockset_leave(struct hf_lockset *set);

/* Give everything back, in reverse order. */
void hf_lockset_release(struct hf_lockset *set);

/* Release, and free. NULL is allowed. errno survives. */
void hf_lockset_free(struct hf_lockset *set);

#endif
