/* SPDX-License-Identifier: ISC */
#ifndef HF_ANCESTOR_LOCKS_H
#define HF_ANCESTOR_LOCKS_H

/*
 * Which locks a process and its ancestors hold, and whether waiting for one of them can end.
 *
 * A process can wait for a lock that it holds itself through an inherited descriptor, or that an
 * ancestor holds while it waits for this process to exit. Such a wait never ends. README.md says
 * when an ancestor counts.
 *
 * A snapshot from /proc (probe/proc_locks.h). Never blocks. Thread-safe; not async-signal-safe.
 */

#include "keeper/keeper_list.h"
#include "probe/proc_locks.h"

/*
 * The locks that pid and its ancestors hold, from the youngest process to the oldest, and if
 * keepers is not NULL, those that keepers hold for them. A process that may not be inspected is
 * passed over; if records is not NULL, it counts for the locks that it took itself (fd is -1 then).
 * Return false if out of memory or if /proc is not mounted.
 */
struct hf_ancestor_lock {
	pid_t pid;
	pid_t keeper; /* the keeper that holds it for pid; 0: pid itself holds it */
	int fd;	      /* of pid, or of the keeper */
	struct hf_lock_entry record;
};
struct hf_ancestor_locks {
	struct hf_ancestor_lock *at;
	size_t count;
	bool hidden; /* a process was passed over */
};
bool hf_ancestor_locks_read(struct hf_ancestor_locks *family, pid_t pid,
			    const struct hf_lock_entries *records, struct hf_keepers *keepers);
void hf_ancestor_locks_free(struct hf_ancestor_locks *family);

/* Return the oldest process in family (that of this process) that holds such a lock in a way that
 * cannot end, or NULL. Kept locks are found by keeper/keeper_client.h. */
const struct hf_ancestor_lock *hf_ancestor_self_deadlock(const struct hf_ancestor_locks *family,
							 const struct hf_lock_id *id,
							 bool exclusive);

/*
 * Return the oldest process in family (that of this process) that holds a lock on this file, or for
 * which a keeper holds one, with which a lock of this mode conflicts; NULL if there is none. A lock
 * that this process took itself does not count if it has other threads than the watching one, since
 * one of them may release it.
 */
const struct hf_ancestor_lock *hf_ancestor_lock_find(const struct hf_ancestor_locks *family,
						     const struct hf_lock_id *id, bool exclusive);

/* Return true if this ancestor waits for the exit of the child from which this process descends, or
 * if that is unknown. */
bool hf_ancestor_waits_for_us(pid_t ancestor);

#endif
