/* SPDX-License-Identifier: ISC */
#include "probe/sqlite_locks.h"

#include <sqlite3.h>

#include "hf_test.h"

static struct hf_target target;
static struct hf_err err;

static void sql(sqlite3 *db, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK) {
		print_error("%s: %s\n", text, why);
		fail();
	}
}

static sqlite3 *open_db(const char *journal)
{
	char text[64];
	sqlite3 *db;

	assert_int_equal(sqlite3_open("db", &db), SQLITE_OK);
	snprintf(text, sizeof(text), "PRAGMA journal_mode=%s", journal);
	sql(db, text);
	return db;
}

/* What the rival's connection does, step by step. */
static int work(const struct rival *self, void *arg)
{
	const char *const *step = arg;
	sqlite3 *db = open_db(*step++);

	for (; *step; step++) {
		sql(db, *step);
		rival_say(self, 'd');
		rival_hear(self);
	}
	sqlite3_close(db);
	return 0;
}

static int set_up(void **state)
{
	sqlite3 *db;

	(void)state;
	unlink("db");
	db = open_db("DELETE");
	sql(db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
	sqlite3_close(db);
	assert_status(HF_OK, hf_target_open(&target, "db", 0, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hf_target_close(&target);
	return 0;
}

static bool is_written(pid_t pid)
{
	struct hf_sqlite_probe look;
	struct hf_sqlite_user user;
	bool written;

	assert_status(HF_OK, hf_sqlite_probe_open(&look, &target, &err), &err);
	written = hf_sqlite_writer(&look, &target, &user);
	if (written)
		assert_int_equal(user.pid, pid);
	hf_sqlite_probe_close(&look);
	return written;
}

/* Does pid do this? */
static bool does(pid_t pid, enum hf_sqlite_role role)
{
	struct hf_sqlite_users users;
	bool found = false;

	assert_status(HF_OK, hf_sqlite_users_read(&target, &users, &err), &err);
	for (size_t i = 0; i < users.count; i++)
		found |= users.at[i].pid == pid && users.at[i].role == role;
	hf_sqlite_users_free(&users);
	return found;
}

static void with_a_journal(void **state)
{
	static const char *const steps[] = {"DELETE",
					    "BEGIN; SELECT * FROM t",
					    "COMMIT; BEGIN IMMEDIATE",
					    "COMMIT; BEGIN EXCLUSIVE",
					    "COMMIT",
					    NULL};
	struct rival rival = rival_start(work, (void *)steps);

	(void)state;
	assert_hears(&rival, 'd');
	assert_true(does(rival.pid, HF_SQLITE_READS));
	assert_false(is_written(rival.pid));
	rival_tell(&rival, 'x');
	assert_hears(&rival, 'd');
	assert_true(does(rival.pid, HF_SQLITE_WRITES));
	assert_true(is_written(rival.pid));
	rival_tell(&rival, 'x');
	assert_hears(&rival, 'd');
	assert_true(does(rival.pid, HF_SQLITE_COMMITS));
	assert_true(is_written(rival.pid));
	rival_tell(&rival, 'x');
	assert_hears(&rival, 'd');
	assert_false(is_written(rival.pid));
	assert_false(does(rival.pid, HF_SQLITE_READS));
	assert_int_equal(rival_end(&rival), 0);
}

static void with_a_log(void **state)
{
	static const char *const steps[] = {"WAL",
					    "BEGIN; SELECT * FROM t",
					    "COMMIT; BEGIN IMMEDIATE; INSERT INTO t VALUES (2)",
					    "COMMIT",
					    NULL};
	struct rival rival = rival_start(work, (void *)steps);

	(void)state;
	assert_hears(&rival, 'd');
	assert_true(does(rival.pid, HF_SQLITE_CONNECTS));
	assert_true(does(rival.pid, HF_SQLITE_READS));
	assert_false(is_written(rival.pid));
	rival_tell(&rival, 'x');
	assert_hears(&rival, 'd');
	assert_true(does(rival.pid, HF_SQLITE_WRITES));
	assert_true(is_written(rival.pid));
	rival_tell(&rival, 'x');
	assert_hears(&rival, 'd');
	assert_false(is_written(rival.pid));
	assert_true(does(rival.pid, HF_SQLITE_CONNECTS));
	assert_int_equal(rival_end(&rival), 0);
}

/* The bytes that no process holds for long, held for long. */
static int hold_bytes(const struct rival *self, void *arg)
{
	const struct flock *lock = arg;
	int fd = open(lock->l_start > 1000 ? "db" : "db-shm", O_RDWR | O_CREAT, 0644);

	if (fcntl(fd, F_SETLK, lock) < 0)
		return 99;
	rival_say(self, 'd');
	rival_hear(self);
	return 0;
}

static void checkpoints_recovery_and_pending(void **state)
{
	static struct {
		struct flock lock;
		enum hf_sqlite_role role;
		bool writes;
	} cases[] = {
		{{.l_type = F_WRLCK, .l_start = 121, .l_len = 1}, HF_SQLITE_CHECKPOINTS, false},
		{{.l_type = F_WRLCK, .l_start = 122, .l_len = 1}, HF_SQLITE_RECOVERS, true},
		{{.l_type = F_WRLCK, .l_start = 0x40000000, .l_len = 1}, HF_SQLITE_PENDS, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rival rival = rival_start(hold_bytes, &cases[i].lock);

		assert_hears(&rival, 'd');
		assert_true(does(rival.pid, cases[i].role));
		assert_int_equal(is_written(rival.pid), cases[i].writes);
		assert_int_equal(rival_end(&rival), 0);
		assert_false(does(rival.pid, cases[i].role));
	}
	unlink("db-shm");
}

static void an_absent_one_has_no_users(void **state)
{
	(void)state;
	unlink("db");
	assert_false(is_written(0));
	assert_false(does(getpid(), HF_SQLITE_READS));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(with_a_journal, set_up, tear_down),
	cmocka_unit_test_setup_teardown(with_a_log, set_up, tear_down),
	cmocka_unit_test_setup_teardown(checkpoints_recovery_and_pending, set_up, tear_down),
	cmocka_unit_test_setup_teardown(an_absent_one_has_no_users, set_up, tear_down),
};
HF_TEST_MAIN(tests)
