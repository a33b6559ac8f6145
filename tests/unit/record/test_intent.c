/* SPDX-License-Identifier: ISC */
#include "record/intent.h"

#include "hf_test.h"
#include <holdfast/clock.h>

static struct hf_db *db;
static struct hf_err err;

static void run(const char *sql)
{
	assert_status(HF_OK, hf_db_exec(db, sql, NULL, 0, NULL, &err), &err);
}

static int set_up(void **state)
{
	struct hf_db_options o = {.flags = HF_DB_CREATE,
				  .wait = {.deadline = hf_deadline_in(10 * HF_SECOND)}};

	(void)state;
	unlink("a.db");
	assert_status(HF_OK, hf_db_open(&db, "a.db", &o, &err), &err);
	assert_status(HF_OK, hf_db_begin(db, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hf_db_close(db);
	return 0;
}

static struct hf_intent_file files[] = {
	{.op = HF_RECORD_WRITE,
	 .path = "notes/a",
	 .mode = 0644,
	 .content = "a\0b",
	 .size = 3,
	 .new_sha256 = "abc1"},
	{.op = HF_RECORD_APPEND,
	 .path = "ledger",
	 .mode = 0600,
	 .content = "",
	 .size = 0,
	 .old_sha256 = "abc0",
	 .old_size = 7,
	 .new_sha256 = "abc2"},
	{.op = HF_RECORD_REMOVE, .path = "gone", .old_sha256 = "abc3", .old_size = 9},
};

static struct hf_intent an_intent(void)
{
	return (struct hf_intent){
		.id = "0123456789abcdef0123456789abcdef",
		.created = 1700000000,
		.uid = 1000,
		.repository = "r1",
		.gitdir = "/r/.git",
		.ref = "refs/heads/main",
		.tip = "",
		.message = "m\n",
		.author = {.name = "N", .email = "n@x", .time = 5, .offset = -60},
		.committer = {.name = "C", .email = "c@x", .time = 6, .offset = 90},
		.files = files,
		.file_count = 3,
	};
}

static void put(void)
{
	struct hf_intent intent = an_intent();

	assert_status(HF_OK, hf_intent_prepare(db, &err), &err);
	assert_status(HF_OK, hf_intent_insert(db, &intent, &err), &err);
}

static void no_table_is_no_intent(void **state)
{
	struct hf_intent *intents;
	size_t count;

	(void)state;
	assert_status(HF_OK, hf_intents_load(db, false, &intents, &count, &err), &err);
	assert_int_equal(count, 0);
}

static void is_loaded_as_it_was(void **state)
{
	struct hf_intent *i;
	size_t count;

	(void)state;
	put();
	assert_status(HF_OK, hf_intents_load(db, false, &i, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_string_equal(i->id, "0123456789abcdef0123456789abcdef");
	assert_int_equal(i->created, 1700000000);
	assert_int_equal(i->uid, 1000);
	assert_string_equal(i->gitdir, "/r/.git");
	assert_string_equal(i->ref, "refs/heads/main");
	assert_string_equal(i->tip, "");
	assert_string_equal(i->message, "m\n");
	assert_string_equal(i->author.email, "n@x");
	assert_int_equal(i->author.offset, -60);
	assert_int_equal(i->committer.time, 6);
	assert_int_equal(i->file_count, 3);
	assert_int_equal(i->files[0].size, 3);
	assert_memory_equal(i->files[0].content, "a\0b", 3);
	assert_string_equal(i->files[0].old_sha256, "");
	assert_int_equal(i->files[1].mode, 0600);
	assert_int_equal(i->files[1].old_size, 7);
	assert_string_equal(i->files[1].new_sha256, "abc2");
	assert_int_equal(i->files[2].op, HF_RECORD_REMOVE);
	assert_null(i->files[2].content);
	assert_string_equal(i->files[2].new_sha256, "");
	hf_intents_free(i, count);
	assert_status(HF_OK, hf_intents_load(db, true, &i, &count, &err), &err);
	assert_null(i->files[0].content);
	hf_intents_free(i, count);
}

static void is_found_corrected_and_deleted(void **state)
{
	struct hf_intent_file changed[3];
	struct hf_intent intent = an_intent(), *i;
	size_t count;

	(void)state;
	put();
	assert_status(HF_OK, hf_intent_find(db, intent.id, &err), &err);
	memcpy(changed, files, sizeof(changed));
	changed[1].old_size = 99;
	strcpy(changed[1].old_sha256, "abcd");
	intent.files = changed;
	assert_status(HF_OK, hf_intent_put_file(db, &intent, 1, &err), &err);
	assert_status(HF_OK, hf_intents_load(db, false, &i, &count, &err), &err);
	assert_int_equal(i->files[1].old_size, 99);
	assert_string_equal(i->files[1].old_sha256, "abcd");
	assert_string_equal(i->files[0].new_sha256, "abc1");
	hf_intents_free(i, count);
	assert_status(HF_OK, hf_intent_delete(db, intent.id, &err), &err);
	assert_status(HF_NO, hf_intent_find(db, intent.id, &err), &err);
	assert_status(HF_OK, hf_intents_load(db, false, &i, &count, &err), &err);
	assert_int_equal(count, 0);
}

/* record/T2 */
static void a_malformed_intent_is_refused(void **state)
{
	static const char *const spoil[] = {
		"UPDATE holdfast_intent SET id = 'short'",
		"UPDATE holdfast_intent SET id = '../../../../../../../../../etc/x'",
		"UPDATE holdfast_intent SET uid = -1",
		"UPDATE holdfast_intent SET uid = 'root'",
		"UPDATE holdfast_intent SET tip = 'not hexadecimal'",
		"UPDATE holdfast_intent SET tip = printf('%070d', 0)",
		"UPDATE holdfast_intent SET ref = x'00'",
		"UPDATE holdfast_intent SET ref = NULL",
		"UPDATE holdfast_intent SET message = 'a' || char(0) || 'b'",
		"UPDATE holdfast_intent SET author_offset = 100000",
		"UPDATE holdfast_intent SET committer_name = NULL",
		"UPDATE holdfast_intent_file SET op = 9",
		"UPDATE holdfast_intent_file SET op = 'write'",
		"UPDATE holdfast_intent_file SET path = x'2e2e'",
		"UPDATE holdfast_intent_file SET mode = 65535",
		"UPDATE holdfast_intent_file SET content = NULL WHERE number = 0",
		"UPDATE holdfast_intent_file SET content = x'00' WHERE number = 2",
		"UPDATE holdfast_intent_file SET old_size = -1",
		"UPDATE holdfast_intent_file SET new = 'ABC'",
	};

	(void)state;
	put();
	for (size_t k = 0; k < sizeof(spoil) / sizeof(spoil[0]); k++) {
		struct hf_intent *i;
		size_t count;

		run("SAVEPOINT s");
		run(spoil[k]);
		if (hf_intents_load(db, false, &i, &count, &err) != HF_DATA)
			fail_msg("believed: %s", spoil[k]);
		assert_int_equal(count, 0);
		run("ROLLBACK TO s");
	}
}

/* The advice's command is pasted into a shell. */
static void advises_no_command_of_anothers_making(void **state)
{
	struct hf_intent *intents;
	size_t count;

	(void)state;
	put();
	run("UPDATE holdfast_intent SET uid = -1");
	assert_status(HF_DATA, hf_intents_load(db, false, &intents, &count, &err), &err);
	assert_non_null(strstr(err.advice, "WHERE id = '0123456789abcdef0123456789abcdef'"));
	run("UPDATE holdfast_intent SET id = '$(touch /tmp/holdfast-is-pasted)'");
	assert_status(HF_DATA, hf_intents_load(db, false, &intents, &count, &err), &err);
	assert_null(strstr(err.advice, "to drop it"));
	assert_null(strstr(err.advice, "touch"));
}

/* T1 */
static void a_newer_one_is_not_read(void **state)
{
	struct hf_intent *i;
	size_t count;

	(void)state;
	put();
	run("UPDATE holdfast_intent SET version = 99, uid = 'something else'");
	run("UPDATE holdfast_intent_file SET op = 77");
	assert_status(HF_OK, hf_intents_load(db, false, &i, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(i->version, 99);
	assert_int_equal(i->file_count, 0);
	hf_intents_free(i, count);
}

/* An intent of version 1 can be corrected too (record/V4). */
static void tables_of_version_1_get_the_new_columns(void **state)
{
	struct hf_intent *i;
	size_t count;

	(void)state;
	put();
	run("UPDATE holdfast_intent SET version = 1");
	run("ALTER TABLE holdfast_intent_file DROP COLUMN mark");
	run("ALTER TABLE holdfast_intent_file DROP COLUMN seen");
	run("ALTER TABLE holdfast_intent_file DROP COLUMN place");
	assert_status(HF_OK, hf_intents_load(db, true, &i, &count, &err), &err);
	hf_intents_free(i, count);
	assert_status(HF_OK, hf_intents_load(db, false, &i, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_string_equal(i->files[1].mark, "");
	strcpy(i->files[1].old_sha256, "abcd");
	assert_status(HF_OK, hf_intent_put_file(db, i, 1, &err), &err);
	hf_intents_free(i, count);
}

static void ids_differ(void **state)
{
	char a[HF_RECORD_ID], b[HF_RECORD_ID];

	(void)state;
	hf_intent_name(a);
	hf_intent_name(b);
	assert_int_equal(strlen(a), 32);
	assert_int_equal(strspn(a, "0123456789abcdef"), 32);
	assert_string_not_equal(a, b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(no_table_is_no_intent),
	TEST(is_loaded_as_it_was),
	TEST(is_found_corrected_and_deleted),
	TEST(a_malformed_intent_is_refused),
	TEST(advises_no_command_of_anothers_making),
	TEST(a_newer_one_is_not_read),
	TEST(tables_of_version_1_get_the_new_columns),
	TEST(ids_differ),
};
HF_TEST_MAIN(tests)
