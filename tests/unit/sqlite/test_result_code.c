/* SPDX-License-Identifier: ISC */
#include "sqlite/result_code.h"

#include <sqlite3.h>

#include "hf_test.h"

static void expect(int code, enum hf_db_class class, enum hf_status status)
{
	const struct hf_db_code *means = hf_db_code(code);

	if (means->class != class || means->status != status)
		fail_msg("code %d: class %d, status %d", code, (int)means->class,
			 (int)means->status);
}

/* The three classes, as the header says. */
static void busy_is_waited_for(void **state)
{
	(void)state;
	expect(SQLITE_BUSY, HF_DB_RETRY, HF_BUSY);
	expect(SQLITE_BUSY_RECOVERY, HF_DB_RETRY, HF_BUSY);
	expect(SQLITE_BUSY_TIMEOUT, HF_DB_RETRY, HF_BUSY);
	expect(SQLITE_PROTOCOL, HF_DB_RETRY, HF_BUSY);
}

static void an_old_snapshot_begins_again(void **state)
{
	(void)state;
	expect(SQLITE_BUSY_SNAPSHOT, HF_DB_RESTART, HF_BUSY);
}

static void nothing_else_is_tried_again(void **state)
{
	(void)state;
	for (int code = 1; code < 27; code++)
		if (code != SQLITE_BUSY && code != SQLITE_PROTOCOL)
			for (int more = 0; more < 40; more++)
				assert_int_equal(hf_db_code(code | more << 8)->class, HF_DB_NEVER);
	expect(SQLITE_LOCKED, HF_DB_NEVER, HF_DATA);
	expect(SQLITE_LOCKED_SHAREDCACHE, HF_DB_NEVER, HF_DATA);
	expect(SQLITE_ERROR, HF_DB_NEVER, HF_DATA);
	expect(SQLITE_CONSTRAINT_UNIQUE, HF_DB_NEVER, HF_DATA);
}

static void the_status_names_the_kind_of_error(void **state)
{
	(void)state;
	expect(SQLITE_FULL, HF_DB_NEVER, HF_IO);
	expect(SQLITE_IOERR_FSYNC, HF_DB_NEVER, HF_IO);
	expect(SQLITE_IOERR_NOMEM, HF_DB_NEVER, HF_OS);
	expect(SQLITE_NOMEM, HF_DB_NEVER, HF_OS);
	expect(SQLITE_READONLY, HF_DB_NEVER, HF_NOPERM);
	expect(SQLITE_READONLY_DBMOVED, HF_DB_NEVER, HF_DATA);
	expect(SQLITE_CORRUPT, HF_DB_NEVER, HF_DATA);
	expect(SQLITE_CORRUPT_INDEX, HF_DB_NEVER, HF_DATA);
	expect(SQLITE_NOTADB, HF_DB_NEVER, HF_DATA);
	expect(SQLITE_MISUSE, HF_DB_NEVER, HF_BUG);
	expect(255, HF_DB_NEVER, HF_BUG);
}

/* The numbers are written down twice: these are SQLite's. */
static void advice_belongs_to_its_code(void **state)
{
	(void)state;
	assert_string_equal(hf_db_code(SQLITE_NOTADB)->why, "it is not a SQLite database");
	assert_string_equal(hf_db_code(SQLITE_READONLY)->why, "it is read only");
	assert_string_equal(hf_db_code(SQLITE_INTERRUPT)->why, "interrupted");
	assert_non_null(strstr(hf_db_code(SQLITE_CORRUPT)->advice[0], "copy the database"));
	assert_non_null(strstr(hf_db_code(SQLITE_CORRUPT_INDEX)->advice[1], "REINDEX"));
	assert_non_null(strstr(hf_db_code(SQLITE_FULL)->advice[0], "free some space"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(busy_is_waited_for),
	cmocka_unit_test(an_old_snapshot_begins_again),
	cmocka_unit_test(nothing_else_is_tried_again),
	cmocka_unit_test(the_status_names_the_kind_of_error),
	cmocka_unit_test(advice_belongs_to_its_code),
};
HF_TEST_MAIN(tests)
