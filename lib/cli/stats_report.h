/* SPDX-License-Identifier: ISC */
#ifndef HF_STATS_REPORT_H
#define HF_STATS_REPORT_H

/*
 * Sum up the lines of base/stats_log.h: for each lock how often it was taken and contended, how
 * long processes waited for it and held it.
 *
 * Malformed lines are counted and skipped (README.md). Percentiles are exact, by nearest rank, so
 * each wait is kept. Not thread-safe.
 */

#include <stdio.h>

#include "base/stats_log.h"
#include <holdfast/err.h>

struct hf_samples {
	int64_t *items; /* microseconds */
	size_t count;
	int64_t sum;
};

enum hf_stats_count {
	HF_STATS_TAKEN,
	HF_STATS_CONTENDED,
	HF_STATS_TIMEOUTS,
	HF_STATS_BUSY,
	HF_STATS_BREAKS,
	HF_STATS_COUNTS
};

enum hf_stats_time { HF_STATS_WAITED, HF_STATS_HELD, HF_STATS_TIMES };

struct hf_lock_stats {
	char *lock;
	char kind[HF_STATS_WORD];
	long long counts[HF_STATS_COUNTS];
	struct hf_samples times[HF_STATS_TIMES];
};

struct hf_stats_report {
	struct hf_lock_stats **locks; /* sorted by total waiting time, longest first */
	size_t count;
	long long lines, skipped;
	int64_t first, last; /* milliseconds since the epoch; 0: no line */
	void *index;	     /* private: a tree of all locks, by name and kind */
};

/* Read the whole file, sort and sum up. only (NULL-terminated): the paths of the wanted locks;
 * empty or NULL: all. HF_NOINPUT: the file does not exist. HF_NOPERM, HF_IO; HF_OS: out of
 * memory. */
enum hf_status hf_stats_read(struct hf_stats_report *report, const char *path,
			     const char *const *only, struct hf_err *err);
void hf_stats_report_free(struct hf_stats_report *report);

/* Return the value that `percent` of the samples do not exceed; 100 gives the longest. -1: no
 * samples. */
int64_t hf_percentile(const struct hf_samples *samples, int percent);

/* Return the number of samples that do not exceed the limit. */
size_t hf_samples_within(const struct hf_samples *samples, int64_t limit);

#endif
