/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCKSET_STATS_H
#define HF_LOCKSET_STATS_H

/*
 * The statistics of a lock set (base/stats_log.h).
 *
 *	hf_lockset_stats_begin()	before the locks are opened
 *	hf_lockset_stats_wait()		after each wait for a lock
 *	hf_lockset_stats_fail()		the set is not held, because of this lock
 *	hf_lockset_stats_prepare()	make the lines, while the locks are still held
 *	hf_stats_flush()		write them, after the locks are released
 *
 * The set sets `held` when it is acquired. The counts are in struct hf_lock (waited, taken,
 * contended, breaks, name). Without HOLDFAST_STATS nothing is counted and no clock is read. Never
 * fails. A crash loses the lines of held locks. One thread at a time.
 */

#include "base/stats_log.h"
#include "lock/lock_kind.h"

struct hf_lockset_stats {
	struct hf_stats_sink *sink; /* or NULL */
	bool held;		    /* and not yet reported */
};

void hf_lockset_stats_begin(struct hf_lockset_stats *set, struct hf_lock *const *locks,
			    size_t count);

/* Return the start of a wait, for hf_lockset_stats_wait(). */
int64_t hf_lockset_stats_now(const struct hf_lockset_stats *set);
void hf_lockset_stats_wait(const struct hf_lockset_stats *set, struct hf_lock *lock, int64_t asked);

void hf_lockset_stats_fail(const struct hf_lockset_stats *set, const struct hf_lock *lock,
			   const struct hf_wait *wait);

/* Make the lines. known: the time for which the locks were held is known. */
void hf_lockset_stats_prepare(struct hf_lockset_stats *set, struct hf_lock *const *locks,
			      size_t count, bool known, struct hf_stats *stats);

#endif
