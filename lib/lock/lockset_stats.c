/* SPDX-License-Identifier: ISC */
#include "lock/lockset_stats.h"

#include <stdlib.h>

#include <holdfast/clock.h>

void hf_lockset_stats_begin(struct hf_lockset_stats *set, struct hf_lock *const *locks,
			    size_t count)
{
	free(set->sink);
	set->held = false;
	set->sink = hf_stats_open();
	for (size_t i = 0; i < count && set->sink; i++) {
		struct hf_lock *lock = locks[i];

		free(lock->name);
		lock->name = NULL;
		lock->waited = 0;
		lock->contended = false;
		lock->breaks = 0;
	}
}

int64_t hf_lockset_stats_now(const struct hf_lockset_stats *set)
{
	return set->sink ? hf_now() : 0;
}

void hf_lockset_stats_wait(const struct hf_lockset_stats *set, struct hf_lock *lock, int64_t asked)
{
	if (!set->sink)
		return;
	lock->taken = hf_now();
	lock->waited += lock->taken - asked;
	if (!lock->name)
		lock->name = hf_stats_name(lock->path);
}

static void add_event(struct hf_stats *stats, const struct hf_lockset_stats *set,
		      const struct hf_lock *lock, enum hf_outcome outcome, int64_t held)
{
	struct hf_stats_event event = {.lock = lock->name,
				       .kind = lock->ops->name,
				       .outcome = outcome,
				       .contended = outcome != HF_OUTCOME_TAKEN || lock->contended,
				       .waited = lock->waited,
				       .held = held,
				       .breaks = lock->breaks};

	if (lock->name)
		hf_stats_add(stats, set->sink, &event);
}

void hf_lockset_stats_fail(const struct hf_lockset_stats *set, const struct hf_lock *lock,
			   const struct hf_wait *wait)
{
	struct hf_stats stats = {.size = 0};

	if (!set->sink)
		return;
	add_event(&stats, set, lock,
		  wait->deadline == HF_NOWAIT ? HF_OUTCOME_BUSY : HF_OUTCOME_TIMEOUT, -1);
	hf_stats_flush(&stats, set->sink);
}

void hf_lockset_stats_prepare(struct hf_lockset_stats *set, struct hf_lock *const *locks,
			      size_t count, bool known, struct hf_stats *stats)
{
	int64_t now = hf_lockset_stats_now(set);

	stats->size = 0;
	for (size_t i = 0; i < count && set->held; i++)
		if (!locks[i]->duplicate_of && locks[i]->inherited < 0)
			add_event(stats, set, locks[i], HF_OUTCOME_TAKEN,
				  known ? now - locks[i]->taken : -1);
	set->held = false;
}
