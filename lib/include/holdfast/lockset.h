/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCKSET_H
#define HF_LOCKSET_H

/*
 * A lock set: any number of locks, of any kind, acquired as a whole.
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
 *	hf_lockset_free(set);		(releases them, in reverse order)
 *
 * The locks are acquired in the one order of holdfast/lock.h, whatever the order of adding, against
 * the one deadline of `wait`:
 *
 *	1 open	every lock, to learn its identity; sort; merge two names of one inode; check what is
 *		inherited. Nothing is held.
 *	2 take	the own locks, in order, each waited for while those before it are held
 *	3 try	the external locks, in order, without waiting
 *
 * If step 2 finds that a path names another inode than the locked one, everything is released and
 * step 1 starts again. If step 3 finds a lock busy, everything is released, that lock alone is
 * waited for, and step 1 starts again. So no external lock is waited for while anything is held,
 * and in the end all locks were held at one instant.
 *
 * hf_lockset_acquire() acquires all or nothing. After a failure the set may be tried again. A
 * process that dies frees its locks. Release closes descriptors; a child that was forked in the
 * meantime, and a command that inherited descriptors (hf_lockset_fds()), keep the locks until they
 * exit too.
 *
 * With HOLDFAST_STATS set, each acquisition adds a line to a file.
 *
 * Not thread-safe; one thread at a time uses a set. Two sets of one process exclude each other like
 * two processes; a thread that waits for a lock of its own other set fails with HF_USAGE.
 */

#include <holdfast/lock.h>

struct hf_lockset;

/* Return a new, empty set. NULL: out of memory, which hf_lockset_add() reports. */
struct hf_lockset *hf_lockset_new(void);

/* Add a lock; path is copied. The result belongs to the set; the parameters of its kind
 * (hf_lock_range_set(), hf_lock_slots_set()) may be set before hf_lockset_acquire(). NULL: out of
 * memory, or an empty path (HF_USAGE). */
struct hf_lock *hf_lockset_add(struct hf_lockset *set, const struct hf_lock_ops *ops,
			       const char *path, enum hf_lock_mode mode, struct hf_err *err);

/* Acquire all locks, or none. The set must not be held. An empty set is held at once. */
enum hf_status hf_lockset_acquire(struct hf_lockset *set, const struct hf_wait *wait,
				  struct hf_err *err);

/* Return the descriptors that a command must inherit, for struct hf_command's keep and
 * hf_fd_export(): those that this set took or borrowed, not those that it inherited. Valid until
 * release. */
size_t hf_lockset_fds(const struct hf_lockset *set, const int **fds);

/* Return the locks; they are in their order once they are held. Valid until the next add. */
size_t hf_lockset_locks(const struct hf_lockset *set, struct hf_lock *const **locks);

/* Call this before this process becomes (exec) the command that inherits the locks: it then cannot
 * report how long they were held. */
void hf_lockset_leave(struct hf_lockset *set);

/* Release everything, in reverse order. */
void hf_lockset_release(struct hf_lockset *set);

/* Release and free. NULL is allowed. errno is preserved. */
void hf_lockset_free(struct hf_lockset *set);

#endif
