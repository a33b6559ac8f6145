/* SPDX-License-Identifier: ISC */
#ifndef HF_TALLY_H
#define HF_TALLY_H

/*
 * What a lock set tells the statistics (base/stats_log.h) of its locks.
 *
 * One line for each lock that was taken, written when it is given back, since only then is it known
 * for how long it was held; or one for the lock at which the set failed. What is another name of a
 * lock, or was held by an ancestor, has no line. The counts themselves stand in struct hf_lock
 * (waited, taken, contended, breaks, name), where a kind adds to them.
 *
 *	hf_lockset_stats_begin()	before the first look at a lock
 *	hf_lockset_stats_wait()		each time after one was waited for
 *	hf_lockset_stats_acquired()		the set is held
 *	hf_lockset_stats_fail()		it is not, since this lock was busy
 *	hf_lockset_stats_prepare()		the lines, while the locks are still held …
 *	hf_lockset_stats_write()		write them, after the release
 *
 * Without HOLDFAST_STATS nothing is counted, and no clock is read. Nothing here fails: what cannot
 * be written is not. A crash loses the lines of what was held. One thread at a time.
 */

#include <holdfast/lock.h>
#include "base/stats_log.h"

struct hf_lockset_stats {
	struct hf_stats_sink *sink; /* or NULL */
	bool held;		    /* and not told of yet */
};

void hf_lockset_stats_begin(struct hf_lockset_stats *tally, struct hf_lock *const *locks,
			    size_t count);

/* The instant from which a wait counts, for hf_lockset_stats_wait(). */
int64_t hf_lockset_stats_now(const struct hf_lockset_stats *tally);
void hf_lockset_stats_wait(const struct hf_lockset_stats *tally, struct hf_lock *lock,
			   int64_t asked);

void hf_lockset_stats_acquired(struct hf_lockset_stats *tally);
void hf_lockset_stats_fail(const struct hf_lockset_stats *tally, const struct hf_lock *lock,
			   const struct hf_wait *wait);

/* false: there is nothing to send. known: for how long they were held is known. */
bool hf_lockset_stats_prepare(struct hf_lockset_stats *tally, struct hf_lock *const *locks,
			      size_t count, bool known, struct hf_stats *stats);
void hf_lockset_stats_write(const struct hf_lockset_stats *tally, struct hf_stats *stats);

void hf_lockset_stats_free(struct hf_lockset_stats *tally);

#endif
