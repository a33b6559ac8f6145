/* SPDX-License-Identifier: ISC */
#include "atomic/publish.h"

#include <errno.h>
#include <sys/file.h>

#include <holdfast/fd.h>
#include "hf_test.h"
#include "base/side_file.h"
#include "base/tempfile.h"
#include "base/sys.h"

static struct hf_target target;
static struct hf_err err;
static char name[NAME_MAX + 1];
static int fd;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf ./* .holdfast.*"), 0);
	assert_status(HF_OK, hf_target_open(&target, "f", 0, &err), &err);
	assert_status(HF_OK, hf_tempfile_open(&target, 0600, &fd, name, &err), &err);
	assert_int_equal(write(fd, "new", 3), 3);
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

static uint32_t number;

/* numbered: its maker keeps a record of the name. */
static enum hf_status give_name(bool numbered)
{
	return hf_publish_name(&target, fd, "tmp", numbered ? &number : NULL, name, &err);
}

static void it_gets_its_name_locked_and_replaces(void **state)
{
	(void)state;
	put_file("f", "old");
	assert_status(HF_OK, give_name(false), &err);
	assert_string_equal(name, ".holdfast.f.tmp");
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	assert_file("f", "old");
	assert_status(HF_OK, hf_publish_rename(&target, name, &err), &err);
	assert_file("f", "new");
	assert_false(is_there(".holdfast.f.tmp"));
	assert_status(HF_OK, hf_publish_sync(&target, &err), &err);
}

static void a_leftover_makes_way_and_beside_a_living_one_another_name_is_taken(void **state)
{
	char wanted[NAME_MAX + 1];
	int other;

	(void)state;
	put_file(".holdfast.f.tmp", "litter");
	assert_status(HF_OK, give_name(false), &err);
	assert_file(".holdfast.f.tmp", "new");
	unlink(".holdfast.f.tmp");

	tear_down(NULL);
	set_up(NULL);
	put_file(".holdfast.f.tmp", "living");
	other = open(".holdfast.f.tmp", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX), 0);
	assert_status(HF_OK, give_name(true), &err);
	assert_string_equal(name, hf_side_name(&target, "tmp", number, wanted));
	assert_file(name, "new");
	assert_file(".holdfast.f.tmp", "living");
	close(other);
}

static void an_unknown_file_is_left_and_another_name_taken(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(".holdfast.f.tmp", 0600), 0);
	assert_status(HF_OK, give_name(false), &err);
	assert_string_not_equal(name, ".holdfast.f.tmp");
	assert_file(name, "new");
	assert_true(is_there(".holdfast.f.tmp"));
}

static void a_file_staged_under_a_name_keeps_it_or_moves(void **state)
{
	(void)state;
	assert_status(HF_OK, hf_tempfile_link(&target, fd, "staged", &err), &err);
	strcpy(name, "staged");
	assert_status(HF_OK, give_name(false), &err);
	assert_string_equal(name, "staged");
	assert_status(HF_OK, give_name(true), &err);
	assert_string_equal(name, ".holdfast.f.tmp");
	assert_file(".holdfast.f.tmp", "new");
	assert_false(is_there("staged"));
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st;
}

static void an_exchange_replaces_only_the_file_that_was_checked(void **state)
{
	/* with RENAME_EXCHANGE, and without */
	static const char *const faults[] = {"1000:EIO", "renameat2#1+:EINVAL"};
	struct stat old, other;
	int kept;

	(void)state;
	put_file("f", "old");
	old = stat_of("f");
	/* as the lock's holder has it: no other file can have its number */
	kept = open("f", O_RDONLY | O_CLOEXEC);
	assert_status(HF_OK, give_name(false), &err);
	assert_status(HF_OK, hf_publish_exchange(&target, fd, name, &old, &err), &err);
	assert_file("f", "new");
	assert_false(is_there(name));
	for (size_t i = 0; i < 2; i++) {
		unlink("f");
		put_file(name, "new");
		close(fd);
		fd = open(name, O_RDWR | O_CLOEXEC);
		fault(faults[i]);
		assert_status(HF_BUSY, hf_publish_exchange(&target, fd, name, &old, &err), &err);
		assert_int_equal(err.errnum, EEXIST);
		assert_false(is_there("f"));
		put_file("f", "another program's");
		other = stat_of("f");
		assert_status(HF_BUSY, hf_publish_exchange(&target, fd, name, &old, &err), &err);
		assert_file("f", "another program's");
		assert_true(stat_of("f").st_ino == other.st_ino);
		assert_file(name, "new");
		unsetenv("HOLDFAST_FAULT");
		unlink(name);
	}
	close(kept);
}

static void creating_replaces_nothing(void **state)
{
	(void)state;
	put_file(".holdfast.f.tmp", "litter");
	put_file("f", "old");
	assert_status(HF_NO, hf_publish_create(&target, fd, "", &err), &err);
	assert_file("f", "old");
	unlink("f");
	assert_status(HF_OK, hf_publish_create(&target, fd, "", &err), &err);
	assert_file("f", "new");
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	assert_false(is_there(".holdfast.f.tmp"));
}

static void creating_from_a_name_replaces_nothing_either(void **state)
{
	/* without RENAME_NOREPLACE, as on NFS, and with it */
	static const char *const faults[] = {"renameat2#1+:EINVAL", "1000:EIO"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		put_file("staged", "new");
		put_file("f", "old");
		fault(faults[i]);
		assert_status(HF_NO, hf_publish_create(&target, fd, "staged", &err), &err);
		assert_file("f", "old");
		unlink("f");
		assert_status(HF_OK, hf_publish_create(&target, fd, "staged", &err), &err);
		unsetenv("HOLDFAST_FAULT");
		assert_file("f", "new");
		assert_false(is_there("staged"));
		unlink("f");
	}
}

static void a_mount_point_cannot_be_replaced(void **state)
{
	(void)state;
	put_file("f", "old");
	assert_status(HF_OK, give_name(false), &err);
	fault("renameat2#1:EBUSY");
	assert_status(HF_CANTCREAT, hf_publish_rename(&target, name, &err), &err);
	assert_non_null(strstr(err.advice, "mount point"));
	assert_file("f", "old");
}

static void a_sync_that_fails_is_final_and_a_signal_is_not(void **state)
{
	(void)state;
	fault("fsync#1:EINTR");
	assert_int_equal(hf_publish_fsync(fd), 0);
	fault("fsync#1:EIO");
	assert_int_equal(hf_publish_fsync(fd), -1);
	assert_int_equal(errno, EIO);
	fault("fsync#1:EIO");
	assert_status(HF_UNCERTAIN, hf_publish_sync(&target, &err), &err);
	assert_non_null(strstr(err.message, "is replaced, but"));
}

#define PUBLISH_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	PUBLISH_TEST(it_gets_its_name_locked_and_replaces),
	PUBLISH_TEST(a_leftover_makes_way_and_beside_a_living_one_another_name_is_taken),
	PUBLISH_TEST(an_unknown_file_is_left_and_another_name_taken),
	PUBLISH_TEST(a_file_staged_under_a_name_keeps_it_or_moves),
	PUBLISH_TEST(an_exchange_replaces_only_the_file_that_was_checked),
	PUBLISH_TEST(creating_replaces_nothing),
	PUBLISH_TEST(creating_from_a_name_replaces_nothing_either),
	PUBLISH_TEST(a_mount_point_cannot_be_replaced),
	PUBLISH_TEST(a_sync_that_fails_is_final_and_a_signal_is_not),
};

HF_TEST_MAIN(tests)
