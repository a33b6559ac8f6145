/* SPDX-License-Identifier: ISC */
#include "sqlite/query.h"

#include <sys/file.h>

#include <holdfast/clock.h>
#include "hf_test.h"

static struct hf_db *db;
static struct hf_err err;

static enum hf_status open_as(struct hf_db **result, unsigned int flags, int64_t wait)
{
	struct hf_db_options o = {.flags = flags, .wait = {.deadline = hf_deadline_in(wait)}};

	return hf_db_open(result, "a.db", &o, &err);
}

static int64_t number(struct hf_db *of, const char *sql)
{
	int64_t n = -1;

	assert_status(HF_OK, hf_db_int(of, sql, NULL, 0, &n, &err), &err);
	return n;
}

static void run(struct hf_db *in, const char *sql)
{
	assert_status(HF_OK, hf_db_exec(in, sql, NULL, 0, NULL, &err), &err);
}

static int set_up(void **state)
{
	(void)state;
	unlink("a.db");
	assert_status(HF_OK, open_as(&db, HF_DB_CREATE, 10 * HF_SECOND), &err);
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	run(db, "CREATE TABLE t(a UNIQUE)");
	assert_status(HF_OK, hf_db_commit(db, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hf_db_close(db);
	return 0;
}

static char immediate[] = "BEGIN IMMEDIATE; INSERT INTO t VALUES ('foreign')";
static char exclusive[] = "BEGIN EXCLUSIVE";

/* SQLite's own write lock, as another program takes it: no turnstile. */
static int foreign_writer(const struct rival *self, void *begin)
{
	struct hf_sqlite_conn *sql;

	if (hf_sqlite_open(&sql, "a.db", "a.db", false, &err) != HF_OK ||
	    hf_sqlite_run(sql, begin, "write to", &err) != HF_OK)
		return 1;
	rival_say(self, 'w');
	if (rival_hear(self) != 'c')
		return 2;
	if (hf_sqlite_run(sql, "COMMIT", "commit to", &err) != HF_OK)
		return 3;
	hf_sqlite_close(sql);
	return 0;
}

static int foreign_reader(const struct rival *self, void *arg)
{
	struct hf_sqlite_conn *sql;

	(void)arg;
	if (hf_sqlite_open(&sql, "a.db", "a.db", false, &err) != HF_OK ||
	    hf_sqlite_run(sql, "BEGIN; SELECT * FROM t", "read", &err) != HF_OK)
		return 1;
	rival_say(self, 'r');
	rival_hear(self);
	hf_sqlite_close(sql);
	return 0;
}

static int writer(const struct rival *self, void *arg)
{
	struct hf_db *mine;

	(void)arg;
	if (open_as(&mine, 0, 10 * HF_SECOND) != HF_OK || hf_db_begin(mine, &err) != HF_OK)
		return 1;
	rival_say(self, 'w');
	if (rival_hear(self) != 'c' ||
	    hf_db_exec(mine, "INSERT INTO t VALUES ('rival')", NULL, 0, NULL, &err) != HF_OK ||
	    hf_db_commit(mine, &err) != HF_OK)
		return 2;
	hf_db_close(mine);
	return 0;
}

/* sqlite/D3 */
static void a_created_database_is_wal(void **state)
{
	struct hf_db *other;

	(void)state;
	run(db, "PRAGMA journal_mode");
	assert_int_equal(number(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
	hf_db_close(db);
	unlink("a.db");
	put_file("a.db", "");
	assert_status(HF_OK, open_as(&db, HF_DB_CREATE, HF_SECOND), &err);
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	hf_db_rollback(db);
	assert_status(HF_OK, open_as(&other, HF_DB_READ, HF_SECOND), &err);
	assert_status(HF_OK, hf_db_begin(other, &err), &err);
	assert_int_equal(number(other, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
	hf_db_close(other);
}

static void an_existing_database_keeps_its_mode(void **state)
{
	struct hf_sqlite_conn *sql;

	(void)state;
	hf_db_close(db);
	unlink("a.db");
	assert_status(HF_OK, hf_sqlite_open(&sql, "a.db", "a.db", true, &err), &err);
	assert_status(HF_OK, hf_sqlite_run(sql, "CREATE TABLE t(a)", "write to", &err), &err);
	hf_sqlite_close(sql);
	assert_status(HF_OK, open_as(&db, HF_DB_CREATE, HF_SECOND), &err);
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	assert_int_equal(number(db, "SELECT journal_mode = 'delete' FROM pragma_journal_mode"), 1);
	hf_db_close(db);
	assert_status(HF_OK, open_as(&db, HF_DB_WAL, HF_SECOND), &err);
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	assert_int_equal(number(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
	hf_db_rollback(db);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
	struct hf_db_options o = {.wait = {.deadline = HF_NOWAIT}};
	struct hf_db *none;

	(void)state;
	assert_status(HF_NOINPUT, hf_db_open(&none, "absent", &o, &err), &err);
	assert_string_equal(err.message, "cannot open 'absent': No such file or directory");
	assert_null(none);
	assert_false(is_there("absent"));
	assert_status(HF_DATA, hf_db_open(&none, ".", &o, &err), &err);
	assert_status(HF_USAGE, hf_db_open(&none, "", &o, &err), &err);
	assert_status(HF_USAGE, hf_db_open(&none, ":memory:", &o, &err), &err);
	put_file("text", "this is no database, and it is long enough to be seen as none\n");
	assert_status(HF_OK, hf_db_open(&none, "text", &o, &err), &err);
	assert_status(HF_DATA, hf_db_begin(none, &err), &err);
	assert_string_equal(err.message, "cannot open 'text': it is not a SQLite database");
	hf_db_close(none);
}

/* sqlite/D2 */
static void a_transaction_is_all_or_nothing(void **state)
{
	struct hf_db *other;

	(void)state;
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	assert_true(hf_db_in_transaction(db));
	run(db, "INSERT INTO t VALUES (1)");
	assert_status(HF_OK, open_as(&other, HF_DB_READ, HF_SECOND), &err);
	assert_status(HF_OK, hf_db_begin(other, &err), &err);
	assert_int_equal(number(other, "SELECT count(*) FROM t"), 0);
	hf_db_rollback(db);
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	run(db, "INSERT INTO t VALUES (2)");
	assert_status(HF_OK, hf_db_commit(db, &err), &err);
	assert_false(hf_db_in_transaction(db));
	assert_int_equal(number(other, "SELECT count(*) FROM t"), 0); /* its snapshot */
	hf_db_rollback(other);
	assert_status(HF_OK, hf_db_begin(other, &err), &err);
	assert_int_equal(number(other, "SELECT sum(a) FROM t"), 2);
	hf_db_close(other);
}

static void a_reader_cannot_write(void **state)
{
	struct hf_db *other;

	(void)state;
	assert_status(HF_OK, open_as(&other, HF_DB_READ, HF_SECOND), &err);
	assert_status(HF_OK, hf_db_begin(other, &err), &err);
	assert_status(HF_NOPERM, hf_db_exec(other, "INSERT INTO t VALUES (1)", NULL, 0, NULL, &err),
		      &err);
	hf_db_close(other);
}

static void values_are_bound(void **state)
{
	const struct hf_db_value values[] = {HF_DB_TEXT_VALUE("o'clock", 7)};
	int64_t changes, n;

	(void)state;
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	assert_status(HF_OK, hf_db_exec(db, "INSERT INTO t VALUES (?1)", values, 1, &changes, &err),
		      &err);
	assert_int_equal(changes, 1);
	assert_int_equal(hf_sqlite_last_rowid(hf_db_sql(db)), 1);
	assert_status(HF_OK, hf_db_int(db, "SELECT rowid FROM t WHERE a = ?1", values, 1, &n, &err),
		      &err);
	assert_int_equal(n, 1);
	assert_status(HF_NO, hf_db_int(db, "SELECT 1 FROM t WHERE a = 5", NULL, 0, &n, &err), &err);
	assert_status(HF_DATA,
		      hf_db_exec(db, "INSERT INTO t VALUES (?1)", values, 1, &changes, &err), &err);
	assert_string_equal(err.message, "cannot run SQL in 'a.db': UNIQUE constraint failed: t.a");
	hf_db_rollback(db);
}

static void writers_wait_for_each_other(void **state)
{
	struct rival rival = rival_start(writer, NULL);
	struct hf_db *other;

	(void)state;
	assert_hears(&rival, 'w');
	assert_status(HF_OK, open_as(&other, 0, 50 * HF_MS), &err);
	assert_status(HF_BUSY, hf_db_begin(other, &err), &err);
	hf_db_close(other);
	rival_tell(&rival, 'c');
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
	hf_db_rollback(db);
	assert_int_equal(rival_end(&rival), 0);
}

/* sqlite/D4, and nothing is held during a wait for an external lock. */
static void an_external_writer_is_waited_for(void **state)
{
	struct rival rival = rival_start(foreign_writer, immediate);
	struct hf_db *other;

	(void)state;
	assert_hears(&rival, 'w');
	assert_status(HF_OK, open_as(&other, 0, 50 * HF_MS), &err);
	assert_status(HF_BUSY, hf_db_begin(other, &err), &err);
	hf_db_close(other);
	rival_tell(&rival, 'c');
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	assert_int_equal(number(db, "SELECT count(*) FROM t"), 1);
	hf_db_rollback(db);
	assert_int_equal(rival_end(&rival), 0);
}

/* sqlite/D4, of the rollback journal: also when it had read the schema before. */
static void a_reader_waits_for_a_commit(void **state)
{
	struct hf_wait later = {.deadline = hf_deadline_in(10 * HF_SECOND)};
	struct hf_db *reader;
	struct rival rival;

	(void)state;
	run(db, "PRAGMA journal_mode=DELETE");
	assert_status(HF_OK, open_as(&reader, HF_DB_READ, 50 * HF_MS), &err);
	assert_status(HF_OK, hf_db_begin(reader, &err), &err);
	hf_db_rollback(reader);
	rival = rival_start(foreign_writer, exclusive);
	assert_hears(&rival, 'w');
	assert_status(HF_BUSY, hf_db_begin(reader, &err), &err);
	assert_non_null(strstr(err.message, "cannot read 'a.db'"));
	assert_non_null(strstr(err.message, ", namely PID"));
	hf_db_wait(reader, &later);
	rival_tell(&rival, 'c');
	assert_status(HF_OK, hf_db_begin(reader, &err), &err);
	hf_db_close(reader);
	assert_int_equal(rival_end(&rival), 0);
}

/* Of the rollback journal: the COMMIT is made again. */
static void a_commit_waits_for_a_reader(void **state)
{
	struct hf_wait soon = {.deadline = hf_deadline_in(50 * HF_MS)};
	struct hf_wait later = {.deadline = hf_deadline_in(10 * HF_SECOND)};
	struct rival rival;

	(void)state;
	run(db, "PRAGMA journal_mode=DELETE");
	rival = rival_start(foreign_reader, NULL);
	assert_hears(&rival, 'r');
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	run(db, "INSERT INTO t VALUES (1)");
	hf_db_wait(db, &soon);
	assert_status(HF_BUSY, hf_db_commit(db, &err), &err);
	assert_false(hf_db_in_transaction(db));
	hf_db_wait(db, &later);
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	run(db, "INSERT INTO t VALUES (2)");
	close(rival.tell);
	rival.tell = dup(rival.hear);
	assert_status(HF_OK, hf_db_commit(db, &err), &err);
	assert_int_equal(number(db, "SELECT sum(a) FROM t"), 2);
	assert_int_equal(rival_end(&rival), 0);
}

/* sqlite/D1: a reader leaves the log as it is. */
static void a_reader_leaves_the_log(void **state)
{
	struct hf_db *other;
	struct stat before, after;

	(void)state;
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	run(db, "INSERT INTO t VALUES (1)");
	assert_status(HF_OK, hf_db_commit(db, &err), &err);
	assert_int_equal(stat("a.db-wal", &before), 0);
	assert_true(before.st_size > 0);
	hf_sqlite_keep_wal(hf_db_sql(db));
	assert_status(HF_OK, open_as(&other, HF_DB_READ, HF_SECOND), &err);
	assert_status(HF_OK, hf_db_begin(other, &err), &err);
	assert_int_equal(number(other, "SELECT count(*) FROM t"), 1);
	hf_db_close(db);
	hf_db_close(other);
	assert_int_equal(stat("a.db-wal", &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	assert_status(HF_OK, open_as(&db, 0, HF_SECOND), &err);
}

static enum hf_status vacuum(void *context, struct hf_err *error)
{
	(void)context;
	return hf_sqlite_run(hf_db_sql(db), "VACUUM", "rebuild", error);
}

static enum hf_status no_foreign_keys(void *context, struct hf_err *error)
{
	(void)context;
	return hf_sqlite_run(hf_db_sql(db), "PRAGMA foreign_keys=OFF", "open", error);
}

static enum hf_status insert(void *context, struct hf_err *error)
{
	(void)context;
	assert_int_equal(number(db, "SELECT foreign_keys FROM pragma_foreign_keys"), 0);
	return hf_db_exec(db, "INSERT INTO t VALUES (7)", NULL, 0, NULL, error);
}

static void some_things_want_no_transaction(void **state)
{
	int fd;

	(void)state;
	assert_status(HF_OK, hf_db_outside_transaction(db, vacuum, NULL, &err), &err);
	assert_false(hf_db_in_transaction(db));
	assert_status(HF_OK, hf_db_transact(db, no_foreign_keys, insert, NULL, &err), &err);
	assert_int_equal(number(db, "SELECT a FROM t"), 7);
	assert_status(HF_DATA, hf_db_transact(db, NULL, insert, NULL, &err), &err);
	assert_false(hf_db_in_transaction(db));
	fd = open("a.db-turnstile", O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}

#define WITH_DB(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	WITH_DB(a_created_database_is_wal),
	WITH_DB(an_existing_database_keeps_its_mode),
	WITH_DB(a_file_that_is_no_database_is_refused),
	WITH_DB(a_transaction_is_all_or_nothing),
	WITH_DB(a_reader_cannot_write),
	WITH_DB(values_are_bound),
	WITH_DB(writers_wait_for_each_other),
	WITH_DB(an_external_writer_is_waited_for),
	WITH_DB(a_reader_waits_for_a_commit),
	WITH_DB(a_commit_waits_for_a_reader),
	WITH_DB(a_reader_leaves_the_log),
	WITH_DB(some_things_want_no_transaction),
};
HF_TEST_MAIN(tests)
