/* SPDX-License-Identifier: ISC */
#include "lock/lockset_stats.h"

#include <stdlib.h>

#include <holdfast/clock.h>

void hf_lockset_stats_begin(struct hf_lockset_stats *tally, struct hf_lock *const *locks,
			    size_t count)
{
	hf_lockset_stats_free(tally);
	tally->sink = hf_stats_open();
	for (size_t i = 0; i < count && tally->sink; i++) {
		struct hf_lock *lock = locks[i];

		free(lock->name);
		lock->name = NULL;
		lock->waited = 0;
		lock->contended = false;
		lock->breaks = 0;
	}
}

int64_t hf_lockset_stats_now(const struct hf_lockset_stats *tally)
{
	return tally->sink ? hf_now() : 0;
}

void hf_lockset_stats_wait(const struct hf_lockset_stats *tally, struct hf_lock *lock,
			   int64_t asked)
{
	if (!tally->sink)
		return;
	lock->taken = hf_now();
	lock->waited += lock->taken - asked;
	if (!lock->name)
		lock->name = hf_stats_name(lock->path);
}

void hf_lockset_stats_acquired(struct hf_lockset_stats *tally)
{
	tally->held = true;
}

void hf_lockset_stats_fail(const struct hf_lockset_stats *tally, const struct hf_lock *lock,
			   const struct hf_wait *wait)
{
	struct hf_stats stats = {.size = 0};
	struct hf_stats_event event = {.lock = lock->name,
				       .kind = lock->ops->name,
				       .outcome = wait->deadline == HF_NOWAIT ? HF_OUTCOME_BUSY
									      : HF_OUTCOME_TIMEOUT,
				       .contended = true,
				       .waited = lock->waited,
				       .held = -1,
				       .breaks = lock->breaks};

	if (!tally->sink || !lock->name)
		return;
	hf_stats_add(&stats, tally->sink, &event);
	hf_stats_flush(&stats, tally->sink);
}

bool hf_lockset_stats_prepare(struct hf_lockset_stats *tally, struct hf_lock *const *locks,
			      size_t count, bool known, struct hf_stats *stats)
{
	int64_t now;

	stats->size = 0;
	if (!tally->sink || !tally->held)
		return false;
	now = hf_now();
	for (size_t i = 0; i < count; i++) {
		const struct hf_lock *lock = locks[i];
		struct hf_stats_event event = {.lock = lock->name,
					       .kind = lock->ops->name,
					       .outcome = HF_OUTCOME_TAKEN,
					       .contended = lock->contended,
					       .waited = lock->waited,
					       .held = known ? now - lock->taken : -1,
					       .breaks = lock->breaks};

		if (!lock->same_as && lock->inherited < 0 && lock->name)
			hf_stats_add(stats, tally->sink, &event);
	}
	tally->held = false;
	return true;
}

void hf_lockset_stats_write(const struct hf_lockset_stats *tally, struct hf_stats *stats)
{
	hf_stats_flush(stats, tally->sink);
}

void hf_lockset_stats_free(struct hf_lockset_stats *tally)
{
	free(tally->sink);
	*tally = (struct hf_lockset_stats){0};
}
