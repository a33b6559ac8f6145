/* SPDX-License-Identifier: ISC */
#include "sqlite/connection.h"

#include "hf_test.h"

static struct hf_sqlite_conn *sql;
static struct hf_err err;

static int set_up(void **state)
{
	(void)state;
	unlink("a.db");
	assert_status(HF_OK, hf_sqlite_open(&sql, "a.db", "a.db", true, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hf_sqlite_close(sql);
	return 0;
}

static struct hf_sqlite_stmt *prepare(const char *text)
{
	struct hf_sqlite_stmt *stmt;

	assert_status(HF_OK, hf_sqlite_prepare(sql, text, strlen(text), &stmt, NULL, &err), &err);
	return stmt;
}

static void a_value_comes_back_as_it_went(void **state)
{
	struct hf_sqlite_stmt *stmt = prepare("SELECT ?1, ?2, ?3, ?4, ?5, ?6");
	const struct hf_db_value values[] = {
		HF_DB_INT_VALUE(INT64_MIN),    {.type = HF_DB_REAL, .r = 0.5},
		HF_DB_TEXT_VALUE("a'b\nc", 5), HF_DB_BLOB_VALUE("\0\1", 2),
		{.type = HF_DB_NULL},	       HF_DB_TEXT_VALUE(NULL, 0),
	};
	struct hf_db_value got;

	(void)state;
	assert_int_equal(hf_sqlite_stmt_parameters(stmt), 6);
	for (int i = 0; i < 6; i++)
		assert_status(HF_OK, hf_sqlite_stmt_bind(stmt, i + 1, &values[i], &err), &err);
	assert_status(HF_OK, hf_sqlite_stmt_step(stmt, &err), &err);
	assert_int_equal(hf_sqlite_stmt_columns(stmt), 6);
	assert_int_equal(hf_sqlite_stmt_column(stmt, 0).i, INT64_MIN);
	assert_true(hf_sqlite_stmt_column(stmt, 1).r == 0.5);
	got = hf_sqlite_stmt_column(stmt, 2);
	assert_int_equal(got.type, HF_DB_TEXT);
	assert_int_equal(got.size, 5);
	assert_memory_equal(got.data, "a'b\nc", 5);
	got = hf_sqlite_stmt_column(stmt, 3);
	assert_int_equal(got.type, HF_DB_BLOB);
	assert_memory_equal(got.data, "\0\1", 2);
	assert_int_equal(hf_sqlite_stmt_column(stmt, 4).type, HF_DB_NULL);
	got = hf_sqlite_stmt_column(stmt, 5);
	assert_int_equal(got.type, HF_DB_TEXT); /* no bytes, and not NULL */
	assert_int_equal(got.size, 0);
	assert_status(HF_NO, hf_sqlite_stmt_step(stmt, &err), &err);
	hf_sqlite_stmt_finalize(stmt);
}

static void parameters_have_their_names(void **state)
{
	struct hf_sqlite_stmt *stmt = prepare("SELECT :a, @b, $c, ?7, ?");

	(void)state;
	assert_int_equal(hf_sqlite_stmt_parameters(stmt), 8);
	assert_string_equal(hf_sqlite_stmt_parameter(stmt, 1), ":a");
	assert_string_equal(hf_sqlite_stmt_parameter(stmt, 2), "@b");
	assert_string_equal(hf_sqlite_stmt_parameter(stmt, 3), "$c");
	assert_string_equal(hf_sqlite_stmt_parameter(stmt, 7), "?7");
	assert_null(hf_sqlite_stmt_parameter(stmt, 8));
	hf_sqlite_stmt_finalize(stmt);
}

static void a_script_is_taken_piece_by_piece(void **state)
{
	const char *text = "SELECT 1; -- first\n SELECT 2;\n-- end\n", *rest = text;
	struct hf_sqlite_stmt *stmt;
	int count = 0;

	(void)state;
	while (*rest) {
		assert_status(HF_OK, hf_sqlite_prepare(sql, rest, strlen(rest), &stmt, &rest, &err),
			      &err);
		if (!stmt)
			continue;
		assert_status(HF_OK, hf_sqlite_stmt_step(stmt, &err), &err);
		assert_int_equal(hf_sqlite_stmt_column(stmt, 0).i, ++count);
		hf_sqlite_stmt_finalize(stmt);
	}
	assert_int_equal(count, 2);
}

static void an_error_names_its_cause_and_place(void **state)
{
	const char *script = "-- one\n  SELECT nil";
	struct hf_sqlite_stmt *stmt;

	(void)state;
	assert_status(HF_DATA, hf_sqlite_prepare(sql, "SELECT nil", 10, &stmt, NULL, &err), &err);
	assert_string_equal(err.message, "cannot run SQL in 'a.db': no such column: nil");
	assert_int_equal(hf_db_code(hf_sqlite_code(sql))->class, HF_DB_NEVER);
	hf_sqlite_script(sql, script, strlen(script));
	assert_status(HF_DATA, hf_sqlite_prepare(sql, script, strlen(script), &stmt, NULL, &err),
		      &err);
	assert_string_equal(err.message, "cannot run line 2, column 10 of the SQL in 'a.db': "
					 "no such column: nil");
	script = "SELECT 1;\n/* */ SELECT abs(-9223372036854775808)";
	hf_sqlite_script(sql, script, strlen(script));
	assert_status(HF_OK,
		      hf_sqlite_prepare(sql, script + 9, strlen(script) - 9, &stmt, NULL, &err),
		      &err);
	assert_status(HF_DATA, hf_sqlite_stmt_step(stmt, &err), &err);
	assert_string_equal(err.message, "cannot run line 2, column 7 of the SQL in 'a.db': "
					 "integer overflow");
	hf_sqlite_stmt_finalize(stmt);
}

static void a_path_is_never_a_uri(void **state)
{
	struct hf_sqlite_conn *other;

	(void)state;
	assert_status(HF_OK, hf_sqlite_open(&other, "file:b.db", "b", true, &err), &err);
	assert_status(HF_OK, hf_sqlite_run(other, "CREATE TABLE t(a)", "write to", &err), &err);
	hf_sqlite_close(other);
	assert_int_equal(access("file:b.db", F_OK), 0);
	assert_status(HF_CANTCREAT, hf_sqlite_open(&other, "no/b.db", "no/b.db", true, &err), &err);
	assert_string_equal(err.message, "cannot open 'no/b.db': No such file or directory");
	assert_null(other);
}

static void a_busy_database_is_reported_at_once(void **state)
{
	struct hf_sqlite_conn *other;

	(void)state;
	assert_status(HF_OK, hf_sqlite_open(&other, "a.db", "a.db", false, &err), &err);
	assert_status(HF_OK, hf_sqlite_run(other, "BEGIN IMMEDIATE", "write to", &err), &err);
	assert_status(HF_BUSY, hf_sqlite_run(sql, "BEGIN IMMEDIATE", "write to", &err), &err);
	assert_string_equal(err.message, "cannot write to 'a.db': another program has it locked");
	assert_int_equal(hf_db_code(hf_sqlite_code(sql))->class, HF_DB_RETRY);
	assert_false(hf_sqlite_in_transaction(sql));
	hf_sqlite_close(other);
	assert_status(HF_OK, hf_sqlite_run(sql, "BEGIN IMMEDIATE", "write to", &err), &err);
	assert_true(hf_sqlite_in_transaction(sql));
}

static volatile sig_atomic_t stop;

static void note(int signal)
{
	stop = signal;
}

static void an_endless_statement_can_be_interrupted(void **state)
{
	struct hf_sqlite_stmt *stmt =
		prepare("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
			"SELECT max(i) FROM n");

	(void)state;
	signal(SIGALRM, note);
	hf_sqlite_interrupt_flag(sql, &stop);
	ualarm(20000, 0);
	assert_status(HF_BUSY, hf_sqlite_stmt_step(stmt, &err), &err);
	assert_string_equal(err.message, "cannot run SQL in 'a.db': interrupted");
	assert_int_equal(hf_db_code(hf_sqlite_code(sql))->class, HF_DB_NEVER);
	hf_sqlite_stmt_finalize(stmt);
}

#define WITH_DB(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
static const struct CMUnitTest tests[] = {
	WITH_DB(a_value_comes_back_as_it_went),
	WITH_DB(parameters_have_their_names),
	WITH_DB(a_script_is_taken_piece_by_piece),
	WITH_DB(an_error_names_its_cause_and_place),
	WITH_DB(a_path_is_never_a_uri),
	WITH_DB(a_busy_database_is_reported_at_once),
	WITH_DB(an_endless_statement_can_be_interrupted),
};
HF_TEST_MAIN(tests)
