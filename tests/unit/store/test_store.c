/* SPDX-License-Identifier: ISC */
/* Tables of ours among others', expiry, tokens. */

#include "store/store.h"

#include <holdfast/clock.h>
#include "hf_test.h"

static const char *const one_sql[] = {"CREATE TABLE holdfast_test(a)",
				      "CREATE INDEX holdfast_test_a ON holdfast_test(a)", NULL};
static const struct hf_store_table one = {"holdfast_test", one_sql};
static const struct hf_store_table *const tables[] = {&one, &hf_store_tokens, NULL};

static void open_store(struct hf_store *store, const char *path, bool read)
{
	struct hf_store_options o = {.read = read, .wait.deadline = HF_NOWAIT};
	struct hf_err err;

	assert_status(HF_OK, hf_store_open(store, path, &o, &err), &err);
}

static void run(struct hf_store *store, const char *sql)
{
	struct hf_err err;

	assert_status(HF_OK, hf_db_begin(store->db, &err), &err);
	assert_status(HF_OK, hf_db_exec(store->db, sql, NULL, 0, NULL, &err), &err);
	assert_status(HF_OK, hf_db_commit(store->db, &err), &err);
}

static void tables_are_made_once(void **state)
{
	struct hf_store store;
	struct hf_err err;

	(void)state;
	open_store(&store, "a.db", false);
	for (int i = 0; i < 2; i++) {
		assert_status(HF_OK, hf_store_begin(&store, tables, &err), &err);
		assert_status(HF_OK,
			      hf_db_exec(store.db, "INSERT INTO holdfast_test VALUES(1)", NULL, 0,
					 NULL, &err),
			      &err);
		assert_status(HF_OK, hf_store_end(&store, HF_OK, &err), &err);
	}
	assert_status(HF_OK, hf_store_begin_read(&store, &one, &err), &err);
	assert_status(HF_OK, hf_store_end(&store, HF_OK, &err), &err);
	hf_store_close(&store);
}

static void a_failure_is_rolled_back(void **state)
{
	struct hf_store store;
	struct hf_err err;

	(void)state;
	open_store(&store, "b.db", false);
	assert_status(HF_OK, hf_store_begin(&store, tables, &err), &err);
	assert_status(HF_IO, hf_store_end(&store, HF_IO, &err), NULL);
	assert_status(HF_NO, hf_store_begin_read(&store, &one, &err), &err);
	/* "no" is an answer, and what was changed stays */
	assert_status(HF_OK, hf_store_begin(&store, tables, &err), &err);
	assert_status(HF_NO, hf_store_end(&store, HF_NO, &err), &err);
	assert_status(HF_OK, hf_store_begin_read(&store, &one, &err), &err);
	hf_store_close(&store);
}

static void an_absent_one_is_empty_to_readers(void **state)
{
	struct hf_store store;
	struct hf_err err;

	(void)state;
	open_store(&store, "none.db", true);
	assert_status(HF_NO, hf_store_begin_read(&store, &one, &err), &err);
	hf_store_close(&store);
	assert_false(is_there("none.db"));
}

static void refused(const char *path, const char *sql, const char *says)
{
	struct hf_store store;
	struct hf_err err;

	open_store(&store, path, false);
	run(&store, sql);
	assert_status(HF_DATA, hf_store_begin(&store, tables, &err), NULL);
	assert_non_null(strstr(err.message, says));
	assert_false(hf_db_in_transaction(store.db));
	hf_store_close(&store);
}

/* store/S1, store/S2 */
static void another_programs_database_is_refused(void **state)
{
	(void)state;
	refused("c.db", "CREATE TABLE holdfast_test(b)", "its 'holdfast_test' is not holdfast's");
	refused("d.db", "CREATE TABLE HOLDFAST_TEST(a, b)", "is not holdfast's");
	refused("e.db", "CREATE VIEW holdfast_token AS SELECT 1 AS last", "'holdfast_token'");
	refused("f.db", "PRAGMA application_id = 7", "(application_id 7)");
}

/* store/S5 */
static void tokens_only_grow(void **state)
{
	int64_t token, last = 0;
	struct hf_store store;
	struct hf_err err;

	(void)state;
	open_store(&store, "g.db", false);
	for (int i = 0; i < 3; i++) {
		assert_status(HF_OK, hf_store_begin(&store, tables, &err), &err);
		assert_status(HF_OK, hf_store_token(&store, &token, &err), &err);
		assert_true(token > last);
		last = token;
		assert_status(HF_OK, hf_store_end(&store, HF_OK, &err), &err);
	}
	hf_store_close(&store);
}

static void expiries(void **state)
{
	(void)state;
	assert_int_equal(hf_store_expiry(10, HF_SECOND), 1000010);
	assert_int_equal(hf_store_expiry(10, 1), 11); /* a nanosecond is no TTL of 0 */
	assert_int_equal(hf_store_expiry(10, HF_NEVER), HF_STORE_NEVER);
	assert_int_equal(hf_store_expiry(INT64_MAX - 5, HF_SECOND), HF_STORE_NEVER);
}

static void the_clock(void **state)
{
	int64_t now = hf_store_now();

	(void)state;
	assert_true(now > INT64_C(1600000000) * 1000000);
	setenv("HOLDFAST_FAULT_CLOCK", "42", 1);
	assert_int_equal(hf_store_now(), 42);
	unsetenv("HOLDFAST_FAULT_CLOCK");
	assert_true(hf_store_now() >= now);
}

static void names_are_printable_and_short(void **state)
{
	char long_one[200], out[96];

	(void)state;
	assert_string_equal(hf_store_name(out, &(struct hf_bytes){"a\nb", 3}), "a\\nb");
	memset(long_one, '\1', sizeof(long_one));
	hf_store_name(out, &(struct hf_bytes){long_one, sizeof(long_one)});
	assert_true(strlen(out) < sizeof(out));
	assert_non_null(strstr(out, "…"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(tables_are_made_once),
	cmocka_unit_test(a_failure_is_rolled_back),
	cmocka_unit_test(an_absent_one_is_empty_to_readers),
	cmocka_unit_test(another_programs_database_is_refused),
	cmocka_unit_test(tokens_only_grow),
	cmocka_unit_test(expiries),
	cmocka_unit_test(the_clock),
	cmocka_unit_test(names_are_printable_and_short),
};
HF_TEST_MAIN(tests)
