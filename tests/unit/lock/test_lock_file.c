/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_file.h>

#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include "hf_test.h"
#include <holdfast/lockset.h>
#include "stopped.h"
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
	assert_int_equal(hf_fd_held(hf_lock_fd(lock)), HF_HELD_EXCLUSIVE);
	fd = open_lock("l");
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), -1);
	hf_lockset_free(set);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	assert_status(HF_OK, take(&set, "l", HF_LOCK_SHARED, 0, &lock), &err);
	assert_int_equal(hf_fd_held(hf_lock_fd(lock)), HF_HELD_SHARED);
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
	assert_int_equal(hf_lock_fd(lock), -1);
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

static void a_file_that_was_replaced_is_locked_again(void **state)
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
	assert_int_equal(fstat(hf_lock_fd(lock), &held), 0);
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
	assert_int_equal(hf_lock_inherited_fd(lock), fd);
	assert_int_equal(hf_lock_fd(lock), -1);
	assert_int_equal(hf_lockset_fds(set, &fds), 0);
	hf_lockset_free(set);
	unsetenv(HF_FD_ENV);
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	close(fd);
}

/* flock(2) does not see a locked range; a test does, with a read-only descriptor too. */
static void removal_leaves_a_file_with_a_locked_range(void **state)
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

static void removal_leaves_a_held_file_and_a_directory(void **state)
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

static int remove_it(const struct rival *self, void *arg)
{
	(void)self;
	return hf_lock_file_remove(arg, NULL);
}

/* The remover has the old file open, or locked, and the name belongs to another one by then. */
static void removal_leaves_a_file_that_was_recreated(void **state)
{
	static const char *const stops[] = {"flock#1:stop", "fcntl_lock#1:stop"};

	(void)state;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		struct stopped remover = {stops[i], remove_it, "l"};
		struct rival rival;
		int fd;

		put_file("l", "");
		rival = rival_stopped(&remover);
		fd = recreate_locked("l");
		rival_continue(&rival);
		assert_int_equal(rival_end(&rival), HF_NO);
		assert_true(names("l", fd));
		close(fd);
	}
	unlink("l");
}

/* Removal locks the file: a process that has locked it since it was opened keeps it. */
static void removal_leaves_a_file_that_was_locked_since_it_was_opened(void **state)
{
	struct stopped remover = {"flock#1:stop", remove_it, "l"};
	struct rival rival;
	int fd;

	(void)state;
	put_file("l", "");
	rival = rival_stopped(&remover);
	fd = open_lock("l");
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	rival_continue(&rival);
	assert_int_equal(rival_end(&rival), HF_NO);
	assert_true(names("l", fd));
	close(fd);
}

static int take_it(const struct rival *self, void *arg)
{
	struct hf_lockset *set;
	struct hf_lock *lock;
	enum hf_status status = take(&set, arg, HF_LOCK_EXCLUSIVE, 0, &lock);

	(void)self;
	hf_lockset_free(set);
	return status;
}

/* The taker has the old file open, or (as on NFS) opens it a second time. */
static void a_file_that_was_recreated_and_locked_is_busy(void **state)
{
	static const char *const stops[] = {"flock#1:stop", "flock#1:EIO,openat#2:stop"};

	(void)state;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		struct stopped taker = {stops[i], take_it, "l"};
		struct rival rival;
		int fd;

		put_file("l", "");
		rival = rival_stopped(&taker);
		fd = recreate_locked("l");
		rival_continue(&rival);
		assert_int_equal(rival_end(&rival), HF_BUSY);
		close(fd);
	}
}

static int take_both(const struct rival *self, void *arg)
{
	struct hf_wait at_once = {.deadline = HF_NOWAIT};
	struct hf_lockset *set = hf_lockset_new();
	enum hf_status status;

	(void)self;
	(void)arg;
	hf_lockset_add(set, &hf_lock_file, "a", HF_LOCK_EXCLUSIVE, &err);
	hf_lockset_add(set, &hf_lock_file, "b", HF_LOCK_EXCLUSIVE, &err);
	status = hf_lockset_acquire(set, &at_once, &err);
	hf_lockset_free(set);
	return status;
}

/* Opened a second time (as on NFS), the second lock's file is the first one's by then: the set
 * begins again, and does not wait for itself. */
static void a_file_that_is_another_locks_when_it_is_reopened(void **state)
{
	struct stopped taker = {"flock#2:EIO,openat#3:stop", take_both, NULL};
	struct rival rival;
	struct stat a, b;
	bool ordered;

	(void)state;
	put_file("a", "");
	put_file("b", "");
	assert_int_equal(stat("a", &a), 0);
	assert_int_equal(stat("b", &b), 0);
	ordered = a.st_ino < b.st_ino;
	rival = rival_stopped(&taker);
	assert_int_equal(unlink(ordered ? "b" : "a"), 0);
	assert_int_equal(link(ordered ? "a" : "b", ordered ? "b" : "a"), 0);
	rival_continue(&rival);
	assert_int_equal(rival_end(&rival), HF_OK);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_free_lock_is_held),
	cmocka_unit_test(a_busy_lock_is_busy_and_then_waited_for),
	cmocka_unit_test(a_file_that_was_replaced_is_locked_again),
	cmocka_unit_test(an_inherited_lock_is_left_alone),
	cmocka_unit_test(removal_leaves_a_held_file_and_a_directory),
	cmocka_unit_test(removal_leaves_a_file_with_a_locked_range),
	cmocka_unit_test(removal_leaves_a_file_that_was_recreated),
	cmocka_unit_test(removal_leaves_a_file_that_was_locked_since_it_was_opened),
	cmocka_unit_test(a_file_that_was_recreated_and_locked_is_busy),
	cmocka_unit_test(a_file_that_is_another_locks_when_it_is_reopened),
};

HF_TEST_MAIN(tests)
