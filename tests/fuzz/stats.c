/* SPDX-License-Identifier: ISC */
/*
 * Fuzzing of a file of statistics as a whole: lines of any length, with or without an end.
 *
 * What must hold: every line is counted once, as understood or skipped; and the sums fit together.
 */

#include "fuzz.h"
#include "cli/stats_report.h"

static void check_samples(const struct hf_samples *samples)
{
	int64_t last = 0;

	for (size_t i = 0; i < samples->count; i++) {
		require(samples->items[i] >= last);
		last = samples->items[i];
	}
	for (int percent = 0; percent <= 100; percent += 5)
		require(hf_percentile(samples, percent) >= (samples->count ? 0 : -1));
	require(hf_percentile(samples, 100) == (samples->count ? last : -1));
	require(hf_samples_within(samples, INT64_MAX) == samples->count);
	require(hf_samples_within(samples, -1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const only[] = {"/a", NULL};
	struct hf_stats_report report;
	struct hf_err err;
	char path[512];

	put_file("stats", data, size, false);
	in_dir("stats", path);
	for (int all = 0; all < 2; all++) {
		long long taken = 0;

		memset(&report, 0, sizeof(report));
		require(hf_stats_read(&report, path, all ? NULL : only, &err) == HF_OK);
		for (size_t i = 0; i < report.count; i++) {
			const struct hf_lock_stats *lock = report.locks[i];

			for (int j = 0; j < HF_STATS_TIMES; j++)
				check_samples(&lock->times[j]);
			for (int j = 0; j < HF_STATS_COUNTS; j++)
				require(lock->counts[j] >= 0);
			taken += lock->counts[HF_STATS_TAKEN];
		}
		require(taken <= report.lines && report.skipped >= 0);
		hf_stats_report_free(&report);
	}
	return 0;
}
