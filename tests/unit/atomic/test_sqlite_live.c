/* SPDX-License-Identifier: ISC */
#include "atomic/sqlite_live.h"

#include "hf_test.h"

static struct hf_target target;
static struct hf_err err;
static char why[400];

static int set_up(void **state)
{
	char page[1024] = "SQLite format 3";
	FILE *f = fopen("db", "w");

	(void)state;
	unlink("db-wal");
	unlink("db-journal");
	assert_non_null(f);
	assert_int_equal(fwrite(page, sizeof(page), 1, f), 1);
	assert_int_equal(fclose(f), 0);
	assert_status(HF_OK, hf_target_open(&target, "db", 0, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hf_target_close(&target);
	return 0;
}

static bool is_live(void)
{
	int fd = openat(target.dir, target.name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool live;

	assert_int_equal(fstat(fd, &st), 0);
	live = hf_sqlite_live(&target, fd, &st, why, sizeof(why));
	close(fd);
	return live;
}

static void one_at_rest_is_not_live(void **state)
{
	(void)state;
	assert_false(is_live());
	put_file("db-wal", "");
	put_file("db-journal", "");
	assert_false(is_live());
}

static void a_log_or_a_journal_makes_it_live(void **state)
{
	(void)state;
	put_file("db-wal", "x");
	assert_true(is_live());
	assert_string_equal(why, "its -wal file has content");
	unlink("db-wal");
	put_file("db-journal", "x");
	assert_true(is_live());
	assert_string_equal(why, "its -journal file has content");
	put_file("db", "no database");
	assert_false(is_live());
}

static int hold_open(const struct rival *self, void *arg)
{
	struct flock lock = {.l_type = F_RDLCK, .l_start = 0x40000000 + 2, .l_len = 510};
	int fd = open("db", O_RDONLY);

	if (fd < 0 || (arg && fcntl(fd, F_SETLK, &lock) < 0))
		return 99;
	rival_say(self, 'o');
	rival_hear(self);
	return 0;
}

static void a_lock_or_an_opener_makes_it_live(void **state)
{
	struct rival rival = rival_start(hold_open, (char *)"lock");
	char who[32];

	(void)state;
	assert_hears(&rival, 'o');
	assert_true(is_live());
	assert_string_equal(why, "it is locked");
	rival_end(&rival);
	assert_false(is_live());

	rival = rival_start(hold_open, NULL);
	assert_hears(&rival, 'o');
	assert_true(is_live());
	snprintf(who, sizeof(who), "PID %d ", rival.pid);
	assert_non_null(strstr(why, who));
	assert_non_null(strstr(why, "has it open"));
	rival_end(&rival);
	assert_false(is_live());
}

#define LIVE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	LIVE_TEST(one_at_rest_is_not_live),
	LIVE_TEST(a_log_or_a_journal_makes_it_live),
	LIVE_TEST(a_lock_or_an_opener_makes_it_live),
};

HF_TEST_MAIN(tests)
