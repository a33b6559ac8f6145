/* SPDX-License-Identifier: ISC */
#include <holdfast/clock.h>

#include "hf_test.h"

#define MINUTE (60 * HF_SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static void durations_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{"10", 10 * HF_SECOND},
		{"0.5", HF_SECOND / 2},
		{".5", HF_SECOND / 2},
		{"250ms", 250 * HF_MS},
		{"2m", 2 * MINUTE},
		{"1h30m", 90 * MINUTE},
		{"7d", 7 * DAY},
		{"2w", 14 * DAY},
		{"1.5h", 90 * MINUTE},
		{"1s500ms", 1500 * HF_MS},
		{"5us", 5000},
		{"7ns", 7},
		{"0", 0},
		{"0.0000000001", 0},
		{"inf", HF_NEVER},
	};
	struct hf_err err;
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_status(HF_OK, hf_parse_duration(good[i].text, &ns, &err), &err);
		assert_int_equal(ns, good[i].ns);
	}
}

static void nonsense_is_no_duration(void **state)
{
	static const char *const bad[] = {
		"",	"-1",	  "-",		 "+1",	 " 1",	"1 ",	"1x",
		"ms",	"1m1h",	  "1m1m",	 "1h30", "1e3", "0x10", "nan",
		"1..5", ".",	  "1,5",	 "infx", "1mm", "1 m",	"99999999999999999999",
		"300y", "16000w", "9223372037s", "1\n",
	};
	struct hf_err err;
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_status(HF_USAGE, hf_parse_duration(bad[i], &ns, &err), &err);
		assert_non_null(strstr(err.message, "'"));
	}
	assert_int_equal(hf_parse_duration("-1", &ns, NULL), HF_USAGE);
}

static void durations_are_written(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(hf_format_duration(out, sizeof(out), 90 * MINUTE), "1h30m");
	assert_string_equal(hf_format_duration(out, sizeof(out), 250 * HF_MS), "250ms");
	assert_string_equal(hf_format_duration(out, sizeof(out), 10 * HF_SECOND), "10s");
	assert_string_equal(hf_format_duration(out, sizeof(out), 2500 * HF_MS), "2.50s");
	assert_string_equal(hf_format_duration(out, sizeof(out), 8 * DAY), "1w1d");
	assert_string_equal(hf_format_duration(out, sizeof(out), 1), "1ns");
	assert_string_equal(hf_format_duration(out, sizeof(out), 0), "0s");
}

static void a_deadline_is_an_instant(void **state)
{
	int64_t before = hf_now(), deadline = hf_deadline_in(HF_SECOND), after = hf_now();

	(void)state;
	assert_true(deadline >= before + HF_SECOND && deadline <= after + HF_SECOND);
	assert_true(hf_time_left(deadline) <= HF_SECOND);
	assert_true(hf_time_left(deadline) > 0);
	assert_int_equal(hf_time_left(before), 0);
	assert_int_equal(hf_deadline_in(0), HF_NOWAIT);
	assert_int_equal(hf_deadline_in(HF_NEVER), HF_NEVER);
	assert_int_equal(hf_deadline_in(HF_NEVER - 1), HF_NEVER);
	assert_int_equal(hf_time_left(HF_NEVER), HF_NEVER);
	assert_int_equal(hf_time_left(HF_NOWAIT), 0);
}

static void backoff_grows_to_its_cap_with_jitter(void **state)
{
	struct hf_backoff backoff;
	int64_t most = 4 * HF_MS, sum = 0, different = 0, last = 0;
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_backoff_init(&backoff, "4ms,64ms", HF_NEVER, &err), &err);
	for (int i = 0; i < 400; i++) {
		int64_t sleep = hf_backoff_next(&backoff);

		assert_true(sleep >= HF_MS && sleep <= most);
		most = most < 64 * HF_MS ? 2 * most : most;
		different += sleep != last;
		sum += last = sleep;
	}
	/* uniform up to the cap: 32 ms on average, and 400 of them do not stray by a third */
	assert_true(sum > 400 * 22 * HF_MS && sum < 400 * 42 * HF_MS);
	assert_true(different > 350);
}

static void backoff_ends_at_the_deadline(void **state)
{
	struct hf_backoff backoff;
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_backoff_init(&backoff, NULL, hf_now() - 1, &err), &err);
	assert_int_equal(hf_backoff_next(&backoff), 0);
	assert_false(hf_backoff_sleep(&backoff));
	assert_status(HF_OK, hf_backoff_init(&backoff, "10s,10s", hf_deadline_in(2 * HF_MS), &err),
		      &err);
	assert_true(hf_backoff_next(&backoff) <= 2 * HF_MS);
	while (hf_backoff_sleep(&backoff))
		;
	assert_int_equal(hf_time_left(backoff.deadline), 0);
}

static void backoff_is_set_by_option_and_environment(void **state)
{
	static const char *const bad[] = {"1ms", "1ms,", ",1ms", "2ms,1ms", "x,y", "inf,inf"};
	struct hf_backoff backoff;
	struct hf_err err;

	(void)state;
	setenv("HOLDFAST_BACKOFF", "3ms,5ms", 1);
	assert_status(HF_OK, hf_backoff_init(&backoff, NULL, HF_NEVER, &err), &err);
	assert_int_equal(backoff.base, 3 * HF_MS);
	assert_int_equal(backoff.cap, 5 * HF_MS);
	assert_status(HF_OK, hf_backoff_init(&backoff, "7ms,9ms", HF_NEVER, &err), &err);
	assert_int_equal(backoff.base, 7 * HF_MS);
	setenv("HOLDFAST_BACKOFF", "nonsense", 1);
	assert_status(HF_USAGE, hf_backoff_init(&backoff, NULL, HF_NEVER, &err), &err);
	assert_non_null(strstr(err.message, "HOLDFAST_BACKOFF"));
	unsetenv("HOLDFAST_BACKOFF");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_status(HF_USAGE, hf_backoff_init(&backoff, bad[i], HF_NEVER, &err), &err);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(durations_are_read),
	cmocka_unit_test(nonsense_is_no_duration),
	cmocka_unit_test(durations_are_written),
	cmocka_unit_test(a_deadline_is_an_instant),
	cmocka_unit_test(backoff_grows_to_its_cap_with_jitter),
	cmocka_unit_test(backoff_ends_at_the_deadline),
	cmocka_unit_test(backoff_is_set_by_option_and_environment),
};

HF_TEST_MAIN(tests)
