/* SPDX-License-Identifier: ISC */
#ifndef HF_STATS_REPORT_H
#define HF_STATS_REPORT_H

/*
 * What the lines of base/stats_log.h come to: for each lock how often it was taken, how often
 * somebody else had it, how long it was waited for and held.
 *
 * A line that is none is counted and skipped: one that a full disk has torn, another program's, of
 * a later version. If a whole line follows in what a torn one runs into, it counts. A line longer
 * than any of ours is skipped without being kept.
 *
 * Waits are those of who got the lock; who gave up is counted and not among them. Percentiles are
 * exact, by nearest rank, so each wait is kept: eight bytes. Not thread-safe.
 */

#include <stdio.h>

#include <holdfast/err.h>
#include "base/stats_log.h"

struct hf_samples {
	int64_t *at; /* microseconds */
	size_t count, room;
	int64_t sum;
};

struct hf_lock_stats {
	char *lock;
	char kind[HF_STATS_WORD];
	long long taken, contended, timeouts, busy, breaks;
	struct hf_samples waits, holds;
};

struct hf_stats_report {
	struct hf_lock_stats *locks; /* those first that were waited for longest, all in all */
	size_t count, room;
	long long lines, skipped;
	int64_t first, last; /* when, in milliseconds; 0: no line */
	size_t *index;	     /* of its own */
	size_t index_size;
};

/* Read all of the file; sorted and summed up then. only: the paths of the locks that are wanted,
 * NULL behind them; none, or NULL: all. HF_NOINPUT: there is no such file. HF_NOPERM, HF_IO; HF_OS:
 * no memory. */
enum hf_status hf_stats_read(struct hf_stats_report *report, const char *path,
			     const char *const *only, struct hf_err *err);
void hf_stats_report_free(struct hf_stats_report *report);

/* So many percent of the samples are not longer; 100 is the longest. -1: there is none. */
int64_t hf_percentile(const struct hf_samples *samples, int percent);

/* How many samples are not longer than this. */
size_t hf_samples_within(const struct hf_samples *samples, int64_t limit);

#endif
