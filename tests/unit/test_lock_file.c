/* SPDX-License-Identifier: ISC */
#include "lock_file.h"

#include "clock.h"
#include "fd.h"
#include "hf_test.h"
#include "sys.h"
#include "lockset.h"
#include "waits.h"

static struct hf_err err;

/* The one lock of a set, taken within so many nanoseconds. */
static enum hf_status take(struct hf_lockset **set, const char *path, enum hf_lock_mode mode,
			   int64_t within, struct hf_lock **lock)
{
	struct hf_wait wait = {.deadline = hf_deadline_in(within)};

	*set = hf_lockset_new();
	*lock = hf_lockset_add(*set, &hf_lock_file, path, mode, &err);
	assert_non_null(*lock);
	return hf_lockset_acquire(*set, &wait, &err);
}

static void a_free_lock_is_held(void **state)
{
	struct hf_lockset *set;
	struct hf_lock *lock;
	int fd;

	(void)state;
	assert_status(HF_OK, take(&set, "l", HF_LOCK_EXCLUSIVE, 0, &lock), &err);
	assert_int_equal(hf_fd_held(lock->fd), HF_HELD_EXCLUSIVE);
	fd = open_lock("l");
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), -1);
	hf_lockset_free(set);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	assert_status(HF_OK, take(&set, "l", HF_LOCK_SHARED, 0, &lock), &err);
	assert_int_equal(hf_fd_held(lock->fd), HF_HELD_SHARED);
	hf_lockset_free(set);
}

static void a_busy_lock_is_busy_and_then_waited_for(void **state)
{
	struct rival rival = rival_start(hold, "l");
	struct hf_lockset *set;
	struct hf_lock *lock;

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, take(&set, "l", HF_LOCK_EXCLUSIVE, 0, &lock), NULL);
	hf_lockset_free(set);
	assert_status(HF_BUSY, take(&set, "l", HF_LOCK_SHARED, 20 * HF_MS, &lock), NULL);
	assert_int_equal(lock->fd, -1);
	hf_lockset_free(set);
	rival_tell(&rival, 'x');
	assert_status(HF_OK, take(&set, "l", HF_LOCK_EXCLUSIVE, HF_NEVER, &lock), &err);
	hf_lockset_free(set);
	assert_int_equal(rival_end(&rival), 0);
}

/* Holds "l" until its parent waits; then puts another file in its place. */
static int replace_when_awaited(const struct rival *self, void *arg)
{
	int fd = open_lock("l");

	(void)arg;
	if (flock(fd, LOCK_EX) < 0)
		return 99;
	rival_say(self, 'h');
	if (!await_waiter(getppid()))
		return 98;
	close(open_lock("new"));
	return rename("new", "l") < 0;
}

static void a_file_that_was_replaced_is_locked_anew(void **state)
{
	struct rival rival = rival_start(replace_when_awaited, NULL);
	struct hf_lockset *set;
	struct hf_lock *lock;
	struct stat named, held;

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_OK, take(&set, "l", HF_LOCK_EXCLUSIVE, HF_NEVER, &lock), &err);
	assert_int_equal(rival_end(&rival), 0);
	assert_int_equal(stat("l", &named), 0);
	assert_int_equal(fstat(lock->fd, &held), 0);
	assert_int_equal(named.st_ino, held.st_ino);
	hf_lockset_free(set);
}

static void an_inherited_lock_is_left_alone(void **state)
{
	struct hf_lockset *set;
	struct hf_lock *lock;
	const int *fds;
	char name[16];
	int fd = open_lock("l");

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	snprintf(name, sizeof(name), "%d", fd);
	setenv(HF_FD_ENV, name, 1);
	assert_status(HF_OK, take(&set, "l", HF_LOCK_SHARED, 0, &lock), &err);
	assert_int_equal(lock->inherited, fd);
	assert_int_equal(lock->fd, -1);
	assert_int_equal(hf_lockset_fds(set, &fds), 0);
	hf_lockset_free(set);
	unsetenv(HF_FD_ENV);
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	close(fd);
}

/* flock(2) says nothing of a range, nor a name of the file that somebody has a range of. */
static void removal_leaves_what_is_held_in_part(void **state)
{
	struct flock part = {.l_type = F_RDLCK, .l_start = 7, .l_len = 1};
	int fd;

	(void)state;
	put_file("l", "");
	fd = open("l", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &part), 0);
	assert_status(HF_NO, hf_lock_file_remove("l", &err), NULL);
	setenv("HOLDFAST_FAULT", "openat#2:EACCES", 1);
	hf_fault_reset();
	assert_status(HF_NO, hf_lock_file_remove("l", &err), NULL);
	unsetenv("HOLDFAST_FAULT");
	assert_true(is_there("l"));
	close(fd);
	assert_status(HF_OK, hf_lock_file_remove("l", &err), &err);
	assert_false(is_there("l"));
}

static void removal_leaves_what_is_held_and_what_is_no_file(void **state)
{
	struct rival rival = rival_start(hold, "l");

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_NO, hf_lock_file_remove("l", &err), NULL);
	assert_true(is_there("l"));
	rival_tell(&rival, 'x');
	assert_int_equal(rival_end(&rival), 0);
	assert_int_equal(symlink("l", "link"), 0);
	assert_status(HF_OK, hf_lock_file_remove("link", &err), &err);
	assert_false(is_there("l"));
	assert_true(is_there("link"));
	assert_status(HF_OK, hf_lock_file_remove("link", &err), &err);
	assert_int_equal(mkdir("dir", 0777), 0);
	assert_status(HF_DATA, hf_lock_file_remove("dir", &err), NULL);
	assert_string_equal(err.message, "cannot remove 'dir': not a regular file");
	put_file("l", "");
	setenv("HOLDFAST_FAULT", "unlinkat#1+:EPERM", 1);
	assert_status(HF_NOPERM, hf_lock_file_remove("l", &err), NULL);
	unsetenv("HOLDFAST_FAULT");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_free_lock_is_held),
	cmocka_unit_test(a_busy_lock_is_busy_and_then_waited_for),
	cmocka_unit_test(a_file_that_was_replaced_is_locked_anew),
	cmocka_unit_test(an_inherited_lock_is_left_alone),
	cmocka_unit_test(removal_leaves_what_is_held_and_what_is_no_file),
	cmocka_unit_test(removal_leaves_what_is_held_in_part),
};

HF_TEST_MAIN(tests)
