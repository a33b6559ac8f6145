/* SPDX-License-Identifier: ISC */
#ifndef HF_FAMILY_H
#define HF_FAMILY_H

/*
 * What a process and its ancestors hold, and whether waiting for it can end.
 *
 * A lock that keeps a process waiting can be its own family's: of a descriptor that it
 * inherited, or of an ancestor which waits for this process to end. Then the wait cannot end. That
 * an ancestor waits is seen in its wchan or syscall, proc(5): it is in wait4(2) or the like. One
 * that does something else (reads our output, sleeps), or that may be waiting for another child of
 * its (not one in a pipeline with us), may give the lock back any time, and does not count; one
 * that cannot be looked at is taken to wait.
 *
 * What a keeper holds (keeperd/keeper_start.h) its owner holds, as far as the keeper is believed
 * (keeper/keeper_list.h, Y2): it is given back when the owner ends or says so, and an owner that
 * waits for this process does neither.
 *
 * A snapshot, read from /proc (probe/proc_locks.h). Never blocks. Thread-safe; not
 * async-signal-safe.
 */

#include "keeper/keeper_list.h"
#include "probe/proc_locks.h"

/*
 * What pid and its ancestors hold, from the youngest to the eldest, and if keepers is not NULL,
 * what is kept for them. A process that may not be looked at is passed over, or if records is not
 * NULL, counted for what it took itself (fd is -1 then). false: out of memory, or /proc is not
 * there.
 */
struct hf_ancestor_lock {
	pid_t pid;
	pid_t keeper; /* which holds it for pid; 0: pid itself does */
	int fd;	      /* of pid, or of the keeper */
	struct hf_lock_entry record;
};
struct hf_ancestor_locks {
	struct hf_ancestor_lock *at;
	size_t count, room;
	bool hidden; /* one was passed over */
};
bool hf_ancestor_locks_read(struct hf_ancestor_locks *family, pid_t pid,
			    const struct hf_lock_entries *records, struct hf_keepers *keepers);
void hf_ancestor_locks_free(struct hf_ancestor_locks *family);

/* Does the family of this process itself hold such a lock in a way that cannot end? The eldest
 * owner of it, or NULL. Of what is kept keeper/keeper_client.h tells. */
const struct hf_ancestor_lock *hf_ancestor_self_deadlock(const struct hf_ancestor_locks *family,
							 const struct hf_lock_id *id,
							 bool exclusive);

/*
 * The eldest in the family of this process that holds a lock on this file, or has it kept, which
 * one of this mode has to wait for; NULL: none. What this process took itself does not count when
 * it has several threads (but the watching one), since another of them may give it back.
 */
const struct hf_ancestor_lock *hf_ancestor_lock_find(const struct hf_ancestor_locks *family,
						     const struct hf_lock_id *id, bool exclusive);

/* Does this ancestor wait for its child to end from which this process descends? Where it cannot be
 * known: yes. */
bool hf_ancestor_waits_for_us(pid_t ancestor);

#endif
