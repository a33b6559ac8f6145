/* SPDX-License-Identifier: ISC */
#include <holdfast/fd.h>

#include <errno.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "hf_test.h"

static int open_lock(const char *path, int operation)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	if (operation)
		assert_int_equal(flock(fd, operation), 0);
	return fd;
}

static struct stat inode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st;
}

static void the_lock_of_a_descriptor_is_read_without_changing_it(void **state)
{
	int none = open_lock("none", 0), shared = open_lock("shared", LOCK_SH);
	int exclusive = open_lock("exclusive", LOCK_EX), copy = dup(exclusive);
	int other = open_lock("exclusive", 0);

	(void)state;
	assert_int_equal(hf_fd_held(none), HF_HELD_NONE);
	assert_int_equal(hf_fd_held(shared), HF_HELD_SHARED);
	assert_int_equal(hf_fd_held(exclusive), HF_HELD_EXCLUSIVE);
	assert_int_equal(hf_fd_held(copy), HF_HELD_EXCLUSIVE);
	assert_int_equal(hf_fd_held(other), HF_HELD_NONE);
	assert_int_equal(hf_fd_held(shared), HF_HELD_SHARED);
	assert_int_equal(hf_fd_held(900), HF_HELD_NONE);
	close(exclusive);
	assert_int_equal(hf_fd_held(copy), HF_HELD_EXCLUSIVE);
	close(none);
	close(shared);
	close(copy);
	close(other);
}

/* A record lock is none of flock(2). */
static void other_kinds_of_lock_do_not_count(void **state)
{
	struct flock all = {.l_type = F_WRLCK};
	int fd = open_lock("record", 0);

	(void)state;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &all), 0);
	assert_int_equal(hf_fd_held(fd), HF_HELD_NONE);
	close(fd);
}

static void the_environment_is_trusted_only_with_proof(void **state)
{
	int fd = open_lock("e", LOCK_EX), shared = open_lock("s", LOCK_SH), found = -1;
	struct stat e = inode_of("e"), s = inode_of("s");
	char list[64];

	(void)state;
	unsetenv(HF_FD_ENV);
	assert_int_equal(hf_fd_inherited(&e, &found), HF_HELD_NONE);
	snprintf(list, sizeof(list), "900,%d,%d", fd, shared);
	setenv(HF_FD_ENV, list, 1);
	assert_int_equal(hf_fd_inherited(&e, &found), HF_HELD_EXCLUSIVE);
	assert_int_equal(found, fd);
	assert_int_equal(hf_fd_inherited(&s, &found), HF_HELD_SHARED);
	assert_int_equal(found, shared);

	/* the number is another file's now, then one that holds nothing, then closed */
	assert_int_equal(dup2(shared, fd), fd);
	assert_int_equal(hf_fd_inherited(&e, &found), HF_HELD_NONE);
	close(fd);
	assert_int_equal(open_lock("e", 0), fd);
	assert_int_equal(hf_fd_inherited(&e, &found), HF_HELD_NONE);
	close(fd);
	assert_int_equal(hf_fd_inherited(&e, &found), HF_HELD_NONE);
	close(shared);
	unsetenv(HF_FD_ENV);
}

static void the_strongest_is_returned(void **state)
{
	int first = open_lock("x", LOCK_SH), second = open_lock("x", LOCK_SH), found = -1;
	struct stat x = inode_of("x");
	char list[64];

	(void)state;
	snprintf(list, sizeof(list), "%d,%d", first, second);
	setenv(HF_FD_ENV, list, 1);
	assert_int_equal(hf_fd_inherited(&x, &found), HF_HELD_SHARED);
	assert_int_equal(found, first);
	close(first);
	assert_int_equal(flock(second, LOCK_EX), 0);
	assert_int_equal(hf_fd_inherited(&x, &found), HF_HELD_EXCLUSIVE);
	assert_int_equal(found, second);
	close(second);
	unsetenv(HF_FD_ENV);
}

static void nonsense_in_the_environment_is_no_lock(void **state)
{
	static const char *const lists[] = {"",	     ",",      "x",    "-1", "99999999999999999999",
					    "64;65", "64,,65", "0x40", " "};
	int fd = open_lock("z", LOCK_EX), found;
	struct stat z = inode_of("z");

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		setenv(HF_FD_ENV, lists[i], 1);
		assert_int_equal(hf_fd_inherited(&z, &found), HF_HELD_NONE);
	}
	close(fd);
	unsetenv(HF_FD_ENV);
}

static void high_numbers_are_out_of_a_scripts_way(void **state)
{
	int fd = open_lock("high", LOCK_EX), high = hf_fd_high(fd);

	(void)state;
	assert_true(high >= HF_FD_BASE);
	assert_int_equal(fcntl(high, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(hf_fd_held(high), HF_HELD_EXCLUSIVE);
	close(high);
	assert_int_equal(hf_fd_high(900), -1);
	assert_int_equal(errno, EBADF);
}

static void under_a_low_limit_it_is_as_high_as_it_can_be(void **state)
{
	int fd = open_lock("low", LOCK_EX), high;
	struct rlimit old, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){40, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	high = hf_fd_high(fd);
	assert_true(high >= 10 && high < 40);
	low.rlim_cur = 10;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	fd = open_lock("lower", LOCK_EX);
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	assert_int_equal(hf_fd_high(fd), fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	assert_int_equal(hf_fd_held(high), HF_HELD_EXCLUSIVE);
	close(fd);
	close(high);
}

static void proved_and_new_descriptors_are_exported(void **state)
{
	int old = hf_fd_high(open_lock("old", LOCK_SH)), new = hf_fd_high(open_lock("new", 0));
	int stale = hf_fd_high(open_lock("stale", 0));
	char list[64], wanted[64];
	struct hf_err err;

	(void)state;
	snprintf(list, sizeof(list), "%d,%d,900", stale, old);
	setenv(HF_FD_ENV, list, 1);
	assert_status(HF_OK, hf_fd_export(&new, 1, &err), &err);
	snprintf(wanted, sizeof(wanted), "%d,%d", old, new);
	assert_string_equal(getenv(HF_FD_ENV), wanted);
	close(old);
	assert_status(HF_OK, hf_fd_export(NULL, 0, &err), &err);
	assert_null(getenv(HF_FD_ENV));
	close(new);
	close(stale);
}

static void a_range_stays_exported_and_nothing_is_named_twice(void **state)
{
	struct flock all = {.l_type = F_WRLCK};
	int fd = open("range", O_RDWR | O_CREAT | O_CLOEXEC, 0666), range = hf_fd_high(fd);
	char list[64], wanted[64];
	struct hf_err err;

	(void)state;
	assert_int_equal(fcntl(range, F_OFD_SETLK, &all), 0);
	snprintf(list, sizeof(list), "%d,%d", range, range);
	snprintf(wanted, sizeof(wanted), "%d", range);
	setenv(HF_FD_ENV, list, 1);
	assert_status(HF_OK, hf_fd_export(&range, 1, &err), &err);
	assert_string_equal(getenv(HF_FD_ENV), wanted);
	unsetenv(HF_FD_ENV);
	close(range);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_lock_of_a_descriptor_is_read_without_changing_it),
	cmocka_unit_test(other_kinds_of_lock_do_not_count),
	cmocka_unit_test(the_environment_is_trusted_only_with_proof),
	cmocka_unit_test(the_strongest_is_returned),
	cmocka_unit_test(nonsense_in_the_environment_is_no_lock),
	cmocka_unit_test(high_numbers_are_out_of_a_scripts_way),
	cmocka_unit_test(under_a_low_limit_it_is_as_high_as_it_can_be),
	cmocka_unit_test(proved_and_new_descriptors_are_exported),
	cmocka_unit_test(a_range_stays_exported_and_nothing_is_named_twice),
};

HF_TEST_MAIN(tests)
