/* SPDX-License-Identifier: ISC */
#include "atomic/target_check.h"

#include "hf_test.h"

static struct hf_err err;

/* Refuse `name`, or not. */
static enum hf_status refuse(const char *name, bool links, const char *backup)
{
	struct hf_target target;
	enum hf_status status;
	struct stat st;
	int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_status(HF_OK, hf_target_open(&target, name, HF_TARGET_NO_FOLLOW, &err), &err);
	assert_int_equal(lstat(name, &st), 0);
	status = hf_target_check(&target, fd, &st, links, backup, &err);
	hf_target_close(&target);
	if (fd >= 0)
		close(fd);
	return status;
}

static void what_is_no_file_is_named(void **state)
{
	(void)state;
	mkdir("d", 0777);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("x", "link"), 0);
	assert_status(HF_DATA, refuse("d", true, NULL), &err);
	assert_string_equal(err.message, "refusing to replace 'd': it is a directory");
	assert_status(HF_DATA, refuse("fifo", true, NULL), &err);
	assert_string_equal(err.message, "refusing to replace 'fifo': it is a FIFO");
	assert_status(HF_DATA, refuse("link", true, NULL), &err);
	assert_string_equal(err.message, "refusing to replace 'link': it is a symbolic link");
	assert_status(HF_DATA, refuse("/dev/null", true, NULL), &err);
	assert_string_equal(err.message, "refusing to replace '/dev/null': it is a device");
	put_file("f", "x");
	assert_status(HF_OK, refuse("f", false, NULL), &err);
}

static void several_names_are_refused_unless_meant(void **state)
{
	(void)state;
	put_file("one", "x");
	assert_int_equal(link("one", "one~"), 0);
	assert_status(HF_DATA, refuse("one", false, NULL), &err);
	assert_string_equal(err.message, "refusing to replace 'one': it has 2 hard links");
	assert_non_null(strstr(err.advice, "--break-links"));
	assert_status(HF_OK, refuse("one", true, NULL), &err);
	assert_status(HF_OK, refuse("one", false, "~"), &err);
	assert_status(HF_DATA, refuse("one", false, ".orig"), &err);
}

static void a_live_database_is_refused(void **state)
{
	char page[512] = "SQLite format 3";
	FILE *f = fopen("db", "w");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fwrite(page, sizeof(page), 1, f), 1);
	assert_int_equal(fclose(f), 0);
	assert_status(HF_OK, refuse("db", false, NULL), &err);
	put_file("db-wal", "x");
	assert_status(HF_DATA, refuse("db", true, NULL), &err);
	assert_non_null(strstr(err.message, "live SQLite database"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_is_no_file_is_named),
	cmocka_unit_test(several_names_are_refused_unless_meant),
	cmocka_unit_test(a_live_database_is_refused),
};

HF_TEST_MAIN(tests)
