/* SPDX-License-Identifier: ISC */
/* Waiting until a database changes. */

#include "store/db_watch.h"

#include <holdfast/clock.h>
#include "hf_test.h"

static const char *here(const char *name)
{
	static char path[PATH_MAX];

	assert_non_null(getcwd(path, sizeof(path)));
	strcat(strcat(path, "/"), name);
	return path;
}

/* Sleep until the watch reports a change, or for five seconds. */
static bool is_told(struct hf_db_watch *watch)
{
	int64_t begin = hf_now();

	watch->nap = 30 * HF_SECOND;
	hf_db_watch_sleep(watch, begin + 20 * HF_SECOND);
	return hf_now() - begin < 10 * HF_SECOND;
}

static void writes_end_the_sleep(void **state)
{
	static const char *const names[] = {"a.db", "a.db-wal", "a.db-turnstile"};
	struct hf_db_watch watch = {.notify = -1};

	(void)state;
	hf_db_watch_begin(&watch, here("a.db"));
	assert_true(watch.notify >= 0);
	for (size_t i = 0; i < 3; i++) {
		put_file(names[i], "x");
		assert_true(is_told(&watch));
		/* then it checks again soon, since the commit may come a moment later */
		assert_true(watch.nap <= 2 * HF_MS);
	}
	hf_db_watch_end(&watch);
}

static void other_files_do_not(void **state)
{
	struct hf_db_watch watch = {.notify = -1};
	int64_t begin;

	(void)state;
	hf_db_watch_begin(&watch, here("b.db"));
	put_file("b.dbx", "x");
	put_file("b", "x");
	begin = hf_now();
	watch.nap = 50 * HF_MS;
	hf_db_watch_sleep(&watch, HF_NEVER);
	assert_true(hf_now() - begin >= 50 * HF_MS);
	assert_int_equal(watch.nap, 100 * HF_MS);
	hf_db_watch_end(&watch);
}

static void a_sleep_ends_in_time(void **state)
{
	struct hf_db_watch watch = {.notify = -1};
	int64_t begin = hf_now();

	(void)state;
	hf_db_watch_begin(&watch, here("c.db"));
	watch.nap = 30 * HF_SECOND;
	hf_db_watch_sleep(&watch, begin + 5 * HF_MS);
	assert_true(hf_now() - begin >= 5 * HF_MS);
	assert_true(hf_now() - begin < 10 * HF_SECOND);
	hf_db_watch_sleep(&watch, begin); /* in the past */
	hf_db_watch_end(&watch);
}

static void sleeps_grow_to_a_second_at_most(void **state)
{
	struct hf_db_watch watch = {.notify = -1};

	(void)state;
	hf_db_watch_begin(&watch, here("d.db"));
	for (int i = 0; i < 40; i++)
		hf_db_watch_sleep(&watch, hf_now());
	assert_int_equal(watch.nap, HF_SECOND);
	hf_db_watch_end(&watch);
	/* blind: a tenth of that */
	watch.nap = HF_MS;
	for (int i = 0; i < 40; i++)
		hf_db_watch_sleep(&watch, hf_now());
	assert_int_equal(watch.nap, 100 * HF_MS);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(writes_end_the_sleep),
	cmocka_unit_test(other_files_do_not),
	cmocka_unit_test(a_sleep_ends_in_time),
	cmocka_unit_test(sleeps_grow_to_a_second_at_most),
};
HF_TEST_MAIN(tests)
