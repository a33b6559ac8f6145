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
 *	hf_tally_begin()	before the first look at a lock
 *	hf_tally_wait()		each time after one was waited for
 *	hf_tally_hold()		the set is held: from here on there is something to tell
 *	hf_tally_fail()		it is not, since this lock was busy
 *	hf_tally_note()		the lines, while the locks are still held …
 *	hf_tally_send()		… and into the file, when they are no more: nobody waits for that
 *
 * Without HOLDFAST_STATS nothing is counted, and no clock is read. Nothing here fails: what cannot
 * be written is not. A crash loses the lines of what was held. One thread at a time.
 */

#include <holdfast/lock.h>
#include "base/stats_log.h"

struct hf_tally {
	struct hf_stats_sink *sink; /* or NULL */
	bool held;		    /* and not told of yet */
};

void hf_tally_begin(struct hf_tally *tally, struct hf_lock *const *locks, size_t count);

/* The instant from which a wait counts, for hf_tally_wait(). */
int64_t hf_tally_now(const struct hf_tally *tally);
void hf_tally_wait(const struct hf_tally *tally, struct hf_lock *lock, int64_t asked);

void hf_tally_hold(struct hf_tally *tally);
void hf_tally_fail(const struct hf_tally *tally, const struct hf_lock *lock,
		   const struct hf_wait *wait);

/* false: there is nothing to send. known: for how long they were held is known. */
bool hf_tally_note(struct hf_tally *tally, struct hf_lock *const *locks, size_t count, bool known,
		   struct hf_stats *stats);
void hf_tally_send(const struct hf_tally *tally, struct hf_stats *stats);

void hf_tally_free(struct hf_tally *tally);

#endif
