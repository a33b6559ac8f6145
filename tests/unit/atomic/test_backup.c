/* SPDX-License-Identifier: ISC */
#include "atomic/backup.h"

#include "hf_test.h"
#include "base/sys.h"

static struct hf_target target;
static struct hf_err err;
static struct stat st;
static int fd;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf ./* .holdfast.*"), 0);
	put_file("f", "old");
	assert_status(HF_OK, hf_target_open(&target, "f", 0, &err), &err);
	fd = open("f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("HOLDFAST_FAULT");
	hf_target_close(&target);
	close(fd);
	return 0;
}

static void fault(const char *rules)
{
	hf_fault_reset();
	setenv("HOLDFAST_FAULT", rules, 1);
}

static bool same_file(const char *a, const char *b)
{
	struct stat one, two;

	return stat(a, &one) == 0 && stat(b, &two) == 0 && hf_same_inode(&one, &two);
}

static void the_backup_is_a_second_name(void **state)
{
	(void)state;
	put_file("f~", "older");
	assert_status(HF_OK, hf_backup(&target, fd, &st, "~", true, &err), &err);
	assert_true(same_file("f", "f~"));
	assert_false(is_there(".holdfast.f.bak"));
	/* and again, as after a crash before the replacement */
	assert_status(HF_OK, hf_backup(&target, fd, &st, "~", true, &err), &err);
	assert_true(same_file("f", "f~"));
	assert_false(is_there(".holdfast.f.bak"));
}

static void it_is_a_copy_where_there_can_be_no_second_name(void **state)
{
	struct stat copy;

	(void)state;
	assert_int_equal(chmod("f", 0640), 0);
	assert_int_equal(fstat(fd, &st), 0);
	put_file(".holdfast.f.bak", "litter");
	fault("linkat#1:EPERM");
	assert_status(HF_OK, hf_backup(&target, fd, &st, ".orig", true, &err), &err);
	assert_file("f.orig", "old");
	assert_false(same_file("f", "f.orig"));
	assert_int_equal(stat("f.orig", &copy), 0);
	assert_int_equal(copy.st_mode & 07777, 0640);
	/* nor unnamed files */
	fault("linkat#1+:EPERM,openat#1:EOPNOTSUPP");
	put_file("f.orig", "older");
	assert_status(HF_OK, hf_backup(&target, fd, &st, ".orig", true, &err), &err);
	assert_file("f.orig", "old");
	assert_false(is_there(".holdfast.f.bak"));
	assert_int_equal(system("test \"$(ls -A)\" = \"f\nf.orig\""), 0);
}

static void a_failure_leaves_the_older_one(void **state)
{
	static const char *const faults[] = {"linkat#1:ENOSPC", "renameat2#1:EIO",
					     "linkat#1:EPERM,fsync#1:EIO",
					     "linkat#1:EPERM,linkat#2:ENOSPC"};

	(void)state;
	put_file("f~", "older");
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		fault(faults[i]);
		assert_status(HF_IO, hf_backup(&target, fd, &st, "~", true, &err), &err);
		assert_file("f~", "older");
		assert_false(is_there(".holdfast.f.bak"));
	}
}

static void a_second_name_is_explained_or_not(void **state)
{
	(void)state;
	assert_false(hf_backup_explains(&target, &st, "~"));
	assert_int_equal(link("f", "f~"), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(hf_backup_explains(&target, &st, "~"));
	assert_false(hf_backup_explains(&target, &st, ".orig"));
	assert_false(hf_backup_explains(&target, &st, NULL));
	assert_int_equal(rename("f~", ".holdfast.f.bak"), 0);
	assert_true(hf_backup_explains(&target, &st, NULL));
	assert_false(is_there(".holdfast.f.bak"));
	assert_int_equal(link("f", "f~"), 0);
	assert_int_equal(link("f", "other"), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_false(hf_backup_explains(&target, &st, "~"));
}

static void a_suffix_makes_a_name(void **state)
{
	char suffix[NAME_MAX + 1];

	(void)state;
	assert_status(HF_OK, hf_backup_check(&target, "~", &err), &err);
	assert_status(HF_USAGE, hf_backup_check(&target, "", &err), &err);
	assert_status(HF_USAGE, hf_backup_check(&target, "/x", &err), &err);
	memset(suffix, 's', NAME_MAX);
	suffix[NAME_MAX] = '\0';
	assert_status(HF_USAGE, hf_backup_check(&target, suffix, &err), &err);
	suffix[NAME_MAX - 1] = '\0';
	assert_status(HF_OK, hf_backup_check(&target, suffix, &err), &err);
}

#define BACKUP_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	BACKUP_TEST(the_backup_is_a_second_name),
	BACKUP_TEST(it_is_a_copy_where_there_can_be_no_second_name),
	BACKUP_TEST(a_failure_leaves_the_older_one),
	BACKUP_TEST(a_second_name_is_explained_or_not),
	BACKUP_TEST(a_suffix_makes_a_name),
};

HF_TEST_MAIN(tests)
