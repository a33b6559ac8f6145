/* SPDX-License-Identifier: ISC */
#include "probe/sqlite_beside.h"

#include "hf_test.h"

enum { A = 41001, B = 41002 };

static struct hf_err err;

static void finds_the_suffix(void **state)
{
	(void)state;
	assert_string_equal(hf_sqlite_suffix("x.db-wal"), "-wal");
	assert_string_equal(hf_sqlite_suffix("x-wal-journal"), "-journal");
	assert_string_equal(hf_sqlite_suffix("a-shm"), "-shm");
	assert_null(hf_sqlite_suffix("-wal"));
	assert_null(hf_sqlite_suffix("x.db"));
	assert_null(hf_sqlite_suffix("x.db-wal2"));
	assert_null(hf_sqlite_suffix(""));
}

/* The database "f" of user A, in a sticky directory. */
static void begin(void)
{
	if (geteuid() != 0)
		skip();
	put_file("f", "x");
	assert_int_equal(chown("f", A, A), 0);
	assert_int_equal(chmod("f", 0644), 0);
	assert_int_equal(chmod(".", 01777), 0);
}

static enum hf_status with(const char *name, uid_t uid, mode_t mode)
{
	enum hf_status status;

	put_file(name, "y");
	assert_int_equal(chown(name, uid, uid), 0);
	assert_int_equal(chmod(name, mode), 0);
	status = hf_sqlite_check_beside("f", &err);
	assert_int_equal(unlink(name), 0);
	return status;
}

static void trusts_users_who_may_write_to_the_database(void **state)
{
	(void)state;
	begin();
	assert_status(HF_OK, hf_sqlite_check_beside("f", &err), &err);
	assert_status(HF_OK, with("f-wal", A, 0644), &err);
	assert_status(HF_OK, with("f-wal", 0, 0644), &err);
	assert_status(HF_NOPERM, with("f-wal", B, 0644), &err);
	assert_non_null(strstr(err.message, "'f-wal' beside it belongs to user 41002"));
	assert_status(HF_NOPERM, with("f-journal", B, 0600), &err);
	assert_status(HF_NOPERM, with("f-shm", B, 0600), &err);
	assert_status(HF_OK, with("g-wal", B, 0644), &err);
	assert_int_equal(chmod("f", 0666), 0);
	assert_status(HF_OK, with("f-wal", B, 0666), &err);
}

static void checks_the_permission_to_write_and_not_to_read(void **state)
{
	(void)state;
	begin();
	assert_int_equal(chmod("f", 0600), 0);
	assert_status(HF_OK, with("f-wal", A, 0644), &err);
	assert_status(HF_NOPERM, with("f-wal", A, 0646), &err);
}

static void trusts_no_other_kind_of_file(void **state)
{
	(void)state;
	begin();
	assert_int_equal(mkfifo("f-journal", 0600), 0);
	assert_status(HF_NOPERM, hf_sqlite_check_beside("f", &err), &err);
	assert_int_equal(unlink("f-journal"), 0);
	assert_int_equal(symlink("f", "f-journal"), 0);
	assert_status(HF_NOPERM, hf_sqlite_check_beside("f", &err), &err);
	assert_int_equal(unlink("f-journal"), 0);
	put_file("other", "");
	assert_int_equal(link("other", "f-wal"), 0);
	assert_status(HF_NOPERM, hf_sqlite_check_beside("f", &err), &err);
	assert_non_null(strstr(err.message, "it has other names"));
	assert_int_equal(unlink("f-wal"), 0);
}

static void checks_beside_the_target_of_a_link(void **state)
{
	(void)state;
	begin();
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(symlink("../f", "d/link"), 0);
	put_file("f-wal", "y");
	assert_int_equal(chown("f-wal", B, B), 0);
	assert_status(HF_NOPERM, hf_sqlite_check_beside("d/link", &err), &err);
	assert_int_equal(unlink("f-wal"), 0);
	assert_status(HF_OK, hf_sqlite_check_beside("d/link", &err), &err);
	/* SQLite says that it is not there */
	assert_status(HF_OK, hf_sqlite_check_beside("nowhere/f", &err), &err);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(finds_the_suffix),
	cmocka_unit_test(trusts_users_who_may_write_to_the_database),
	cmocka_unit_test(checks_the_permission_to_write_and_not_to_read),
	cmocka_unit_test(trusts_no_other_kind_of_file),
	cmocka_unit_test(checks_beside_the_target_of_a_link),
};

HF_TEST_MAIN(tests)
