/* SPDX-License-Identifier: ISC */
#include "cli/stats_report.h"

#include "hf_test.h"

static struct hf_stats_report report;

static void read_report(const char *const *only)
{
	struct hf_err err;

	hf_stats_report_free(&report);
	assert_status(HF_OK, hf_stats_read(&report, "stats", only, &err), &err);
}

#define LINE(kind, outcome, contended, waited, held, lock)                                         \
	"holdfast-stats-1 1000 t 1 " kind " " outcome " " contended " " waited " " held " 0 " lock \
	"\n"

static void locks_are_summed_up(void **state)
{
	(void)state;
	put_file("stats",
		 LINE("file", "taken", "1", "30", "5",
		      "/b") LINE("file", "taken", "0", "1", "-",
				 "/a") LINE("file", "timeout", "1", "99", "-",
					    "/b") LINE("file", "busy", "1", "2", "-", "/b")
			 LINE("slots", "taken", "0", "4", "7", "/b") LINE(
				 "file", "taken", "1", "10", "6",
				 "/b") "holdfast-stats-1 3000 t 1 dotlock broken 0 0 - 1 /d\n");
	read_report(NULL);
	assert_int_equal(report.lines, 7);
	assert_int_equal(report.skipped, 0);
	assert_int_equal(report.first, 1000);
	assert_int_equal(report.last, 3000);
	assert_int_equal(report.count, 4);
	/* the one that was waited for longest is the first */
	assert_string_equal(report.locks[0]->lock, "/b");
	assert_string_equal(report.locks[0]->kind, "file");
	assert_int_equal(report.locks[0]->counts[HF_STATS_TAKEN], 2);
	assert_int_equal(report.locks[0]->counts[HF_STATS_CONTENDED], 4);
	assert_int_equal(report.locks[0]->counts[HF_STATS_TIMEOUTS], 1);
	assert_int_equal(report.locks[0]->counts[HF_STATS_BUSY], 1);
	assert_int_equal(report.locks[0]->times[HF_STATS_WAITED].sum, 40);
	assert_int_equal(report.locks[0]->times[HF_STATS_WAITED].items[0], 10);
	assert_string_equal(report.locks[1]->kind, "slots");
	assert_int_equal(report.locks[2]->times[HF_STATS_HELD].count, 0);
	assert_int_equal(report.locks[3]->counts[HF_STATS_BREAKS], 1);
	assert_int_equal(report.locks[3]->counts[HF_STATS_TAKEN], 0);
	read_report((const char *const[]){"/a", "/nothing", NULL});
	assert_int_equal(report.count, 1);
	assert_string_equal(report.locks[0]->lock, "/a");
}

static void torn_and_other_lines_are_skipped_and_counted(void **state)
{
	char *text = malloc(100000);
	size_t size = 0;

	(void)state;
	/* torn, and continued by a whole one; of another form; binary; too long; without an end */
	size += (size_t)sprintf(text, "holdfast-stats-1 1000 t 1 fi%s",
				LINE("file", "taken", "0", "1", "1", "/a"));
	size += (size_t)sprintf(text + size, "rubbish\n\n");
	memcpy(text + size, "\0\xff\n", 3);
	size += 3;
	memset(text + size, 'x', 20000);
	size += 20000;
	size += (size_t)sprintf(text + size, "\n%sholdfast-stats-1 1000",
				LINE("file", "taken", "0", "2", "1", "/a"));
	{
		FILE *file = fopen("stats", "w");

		assert_int_equal(fwrite(text, 1, size, file), size);
		assert_int_equal(fclose(file), 0);
	}
	free(text);
	read_report(NULL);
	assert_int_equal(report.lines, 2);
	assert_int_equal(report.skipped, 6);
	assert_int_equal(report.count, 1);
	assert_int_equal(report.locks[0]->counts[HF_STATS_TAKEN], 2);
}

static void percentiles_are_by_nearest_rank(void **state)
{
	int64_t hundred[100], one = 5;
	struct hf_samples many = {.items = hundred, .count = 100},
			  single = {.items = &one, .count = 1}, none = {.count = 0};

	(void)state;
	for (int i = 0; i < 100; i++)
		hundred[i] = i + 1;
	assert_int_equal(hf_percentile(&many, 50), 50);
	assert_int_equal(hf_percentile(&many, 95), 95);
	assert_int_equal(hf_percentile(&many, 99), 99);
	assert_int_equal(hf_percentile(&many, 100), 100);
	assert_int_equal(hf_percentile(&single, 50), 5);
	assert_int_equal(hf_percentile(&single, 100), 5);
	assert_int_equal(hf_percentile(&none, 50), -1);
	assert_int_equal(hf_samples_within(&many, 0), 0);
	assert_int_equal(hf_samples_within(&many, 50), 50);
	assert_int_equal(hf_samples_within(&many, INT64_MAX), 100);
	assert_int_equal(hf_samples_within(&none, 1), 0);
}

static void many_locks_are_found_again(void **state)
{
	FILE *file = fopen("stats", "w");

	(void)state;
	for (int i = 0; i < 3000; i++)
		fprintf(file, LINE("file", "taken", "0", "1", "1", "/lock-%d"), i % 1000);
	assert_int_equal(fclose(file), 0);
	read_report(NULL);
	assert_int_equal(report.count, 1000);
	for (size_t i = 0; i < report.count; i++)
		assert_int_equal(report.locks[i]->counts[HF_STATS_TAKEN], 3);
}

static void invalid_and_empty_files_give_no_rows(void **state)
{
	struct hf_err err;

	(void)state;
	hf_stats_report_free(&report);
	assert_int_equal(hf_stats_read(&report, "nothing", NULL, &err), HF_NOINPUT);
	assert_int_equal(hf_stats_read(&report, ".", NULL, &err), HF_IO);
	put_file("stats", "");
	read_report(NULL);
	assert_int_equal(report.count, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(locks_are_summed_up),
	cmocka_unit_test(torn_and_other_lines_are_skipped_and_counted),
	cmocka_unit_test(percentiles_are_by_nearest_rank),
	cmocka_unit_test(many_locks_are_found_again),
	cmocka_unit_test(invalid_and_empty_files_give_no_rows),
};

HF_TEST_MAIN(tests)
