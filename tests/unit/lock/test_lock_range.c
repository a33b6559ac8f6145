/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_range.h>

#include <errno.h>

#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include "hf_test.h"
#include "lender.h"
#include <holdfast/lockset.h>
#include "stopped.h"
#include "waits.h"

static const struct hf_wait at_once = {.deadline = HF_NOWAIT};
static const struct hf_wait for_ever = {.deadline = HF_NEVER};
static struct hf_err err;

static void ranges_exclude_where_they_overlap(void **state)
{
	int a = open_lock("l"), b = open_lock("l");

	(void)state;
	assert_int_equal(hf_range_try(a, HF_LOCK_EXCLUSIVE, 10, 5), 0);
	assert_int_equal(hf_range_try(b, HF_LOCK_EXCLUSIVE, 15, 0), 0);
	assert_int_equal(hf_range_try(b, HF_LOCK_SHARED, 14, 1), -1);
	assert_int_equal(errno, EAGAIN);
	hf_range_unlock(a, 14, 1);
	assert_int_equal(hf_range_try(b, HF_LOCK_SHARED, 14, 1), 0);
	assert_int_equal(hf_range_try(a, HF_LOCK_SHARED, 14, 1), 0);
	close(a);
	close(b);
}

static void a_wait_ends_at_the_deadline(void **state)
{
	struct hf_wait wait = {.deadline = hf_deadline_in(20 * HF_MS)};
	int a = open_lock("l"), b = open_lock("l");

	(void)state;
	assert_int_equal(hf_range_try(a, HF_LOCK_EXCLUSIVE, 0, 0), 0);
	assert_status(HF_BUSY, hf_range_wait(b, HF_LOCK_SHARED, 0, 0, "'l'", &at_once, &err), NULL);
	assert_string_equal(err.message, "cannot lock 'l': held by another process");
	assert_status(HF_BUSY, hf_range_wait(b, HF_LOCK_SHARED, 0, 0, "'l'", &wait, &err), NULL);
	assert_int_equal(hf_time_left(wait.deadline), 0);
	close(a);
	assert_status(HF_OK, hf_range_wait(b, HF_LOCK_SHARED, 0, 0, "'l'", &at_once, &err), &err);
	close(b);
}

/* An ordinary fcntl lock on arg, whose holder the kernel names. */
static int hold_posix(const struct rival *self, void *arg)
{
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open_lock(arg);

	if (fcntl(fd, F_SETLK, &range) < 0)
		return 99;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

static void an_ordinary_fcntl_lock_is_waited_for_and_its_holder_named(void **state)
{
	struct rival rival = rival_start(hold_posix, "l");
	char who[32];
	int fd = open_lock("l");

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, hf_range_wait(fd, HF_LOCK_EXCLUSIVE, 0, 0, "'l'", &at_once, &err),
		      NULL);
	snprintf(who, sizeof(who), "held by PID %d ", (int)rival.pid);
	assert_non_null(strstr(err.message, who));
	rival_tell(&rival, 'x');
	assert_status(HF_OK, hf_range_wait(fd, HF_LOCK_EXCLUSIVE, 0, 0, "'l'", &for_ever, &err),
		      &err);
	assert_int_equal(rival_end(&rival), 0);
	close(fd);
}

static int told;

static void count_notice(void *context, const char *line)
{
	told++;
	assert_string_equal(line, "waiting for 'l'");
	/* which ends the wait */
	assert_int_equal(close(*(int *)context), 0);
}

static void after_a_second_a_notice_is_given(void **state)
{
	int a = open_lock("l"), b = open_lock("l");
	struct hf_wait wait = {.deadline = HF_NEVER, .notice = count_notice, .context = &a};

	(void)state;
	assert_int_equal(hf_range_try(a, HF_LOCK_EXCLUSIVE, 0, 0), 0);
	assert_status(HF_OK, hf_range_wait(b, HF_LOCK_EXCLUSIVE, 0, 0, "'l'", &wait, &err), &err);
	assert_int_equal(told, 1);
	close(b);
}

static void a_descriptor_that_cannot_be_locked(void **state)
{
	int fd;

	(void)state;
	put_file("l", "");
	fd = open("l", O_RDONLY | O_CLOEXEC);
	assert_status(HF_DATA, hf_range_wait(fd, HF_LOCK_EXCLUSIVE, 0, 0, "'l'", &at_once, &err),
		      NULL);
	assert_string_equal(err.message, "cannot lock 'l': it is not open for writing");
	close(fd);
}

static enum hf_status take_by(const struct hf_wait *wait, const char *path, enum hf_lock_mode mode,
			      int64_t start, int64_t length, int *inherited)
{
	struct hf_lockset *set = hf_lockset_new();
	struct hf_lock *lock = hf_lockset_add(set, &hf_lock_range, path, mode, &err);
	enum hf_status status;

	hf_lock_range_set(lock, start, length);
	status = hf_lockset_acquire(set, wait, &err);
	*inherited = hf_lock_inherited_fd(lock);
	hf_lockset_free(set);
	return status;
}

static enum hf_status take(const char *path, enum hf_lock_mode mode, int64_t start, int64_t length,
			   int *inherited)
{
	return take_by(&at_once, path, mode, start, length, inherited);
}

static void an_inherited_range_is_proved(void **state)
{
	int got, fd = open_lock("l");

	(void)state;
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	assert_status(HF_OK, take("l", HF_LOCK_EXCLUSIVE, 0, 0, &got), &err);
	assert_int_equal(got, -1);
	assert_int_equal(hf_range_try(fd, HF_LOCK_EXCLUSIVE, 10, 10), 0);
	assert_status(HF_OK, take("l", HF_LOCK_EXCLUSIVE, 10, 10, &got), &err);
	assert_int_equal(got, fd);
	assert_status(HF_OK, take("l", HF_LOCK_SHARED, 12, 1, &got), &err);
	assert_int_equal(got, fd);
	assert_status(HF_USAGE, take_by(&for_ever, "l", HF_LOCK_EXCLUSIVE, 15, 0, &got), NULL);
	assert_status(HF_BUSY, take("l", HF_LOCK_EXCLUSIVE, 15, 0, &got), NULL);
	assert_status(HF_OK, take("l", HF_LOCK_EXCLUSIVE, 20, 0, &got), &err);
	assert_int_equal(got, -1);
	/* a descriptor of our own, another set's, is not inherited */
	assert_int_equal(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	assert_status(HF_BUSY, take("l", HF_LOCK_EXCLUSIVE, 10, 10, &got), NULL);
	close(fd);
}

/* Holds a range of "l" by an open description, whose holder the kernel does not name. */
static int hold_range(const struct rival *self, void *arg)
{
	int fd = open_lock("l");

	(void)arg;
	if (hf_range_try(fd, HF_LOCK_EXCLUSIVE, 10, 10) < 0)
		return 99;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

static void another_processs_range_is_not_inherited(void **state)
{
	struct rival rival = rival_start(hold_range, NULL);
	int got, fd = open_lock("l");

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, take("l", HF_LOCK_EXCLUSIVE, 10, 10, &got), NULL);
	assert_status(HF_BUSY, take("l", HF_LOCK_SHARED, 0, 0, &got), NULL);
	assert_int_equal(rival_end(&rival), 0);
	close(fd);
}

/* This process inherits the same range of another file, and another range of this one. */
static void a_range_of_another_file_or_place_is_not_inherited(void **state)
{
	struct rival rival = rival_start(hold_range, NULL);
	int got, other = open_lock("other"), part = open_lock("l");

	(void)state;
	assert_hears(&rival, 'h');
	assert_int_equal(fcntl(other, F_SETFD, 0), 0);
	assert_int_equal(fcntl(part, F_SETFD, 0), 0);
	assert_int_equal(hf_range_try(other, HF_LOCK_EXCLUSIVE, 10, 10), 0);
	assert_int_equal(hf_range_try(part, HF_LOCK_EXCLUSIVE, 20, 10), 0);
	assert_status(HF_BUSY, take("l", HF_LOCK_EXCLUSIVE, 10, 10, &got), NULL);
	assert_int_equal(got, -1);
	assert_status(HF_BUSY, take("l", HF_LOCK_SHARED, 15, 10, &got), NULL);
	assert_int_equal(rival_end(&rival), 0);
	close(other);
	close(part);
}

/* An inherited shared range is none for a writer, and no part of one is the whole. */
static void an_inherited_range_that_is_not_enough(void **state)
{
	int got, fd = open_lock("m"), other = open_lock("m");

	(void)state;
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	assert_int_equal(hf_range_try(fd, HF_LOCK_SHARED, 10, 10), 0);
	assert_int_equal(hf_range_try(other, HF_LOCK_SHARED, 10, 10), 0);
	assert_status(HF_BUSY, take("m", HF_LOCK_EXCLUSIVE, 10, 10, &got), NULL);
	assert_status(HF_USAGE, take_by(&for_ever, "m", HF_LOCK_EXCLUSIVE, 10, 10, &got), NULL);
	close(other);
	assert_int_equal(hf_range_try(fd, HF_LOCK_EXCLUSIVE, 10, 10), 0);
	assert_status(HF_BUSY, take("m", HF_LOCK_SHARED, 9, 10, &got), NULL);
	assert_status(HF_BUSY, take("m", HF_LOCK_SHARED, 11, 10, &got), NULL);
	assert_status(HF_OK, take("m", HF_LOCK_SHARED, 19, 1, &got), &err);
	assert_int_equal(got, fd);
	close(fd);
}

static int take_a_range(const struct rival *self, void *arg)
{
	int got;

	(void)self;
	return take(arg, HF_LOCK_EXCLUSIVE, 10, 10, &got);
}

static void a_file_that_was_recreated_and_locked_is_busy(void **state)
{
	struct stopped taker = {"fcntl_lock#1:stop", take_a_range, "n"};
	struct rival rival;
	int fd;

	(void)state;
	put_file("n", "");
	rival = rival_stopped(&taker);
	fd = recreate_locked("n");
	assert_int_equal(hf_range_try(fd, HF_LOCK_EXCLUSIVE, 0, 0), 0);
	rival_continue(&rival);
	assert_int_equal(rival_end(&rival), HF_BUSY);
	close(fd);
}

static void a_range_that_is_lent_is_proved(void **state)
{
	struct lender lender = {
		.named = "p", .lent = "p", .range = true, .start = 10, .length = 10};
	struct rival rival = rival_start(lend, &lender);
	int got;

	(void)state;
	assert_hears(&rival, 'l');
	assert_status(HF_OK, take("p", HF_LOCK_SHARED, 12, 8, &got), &err);
	assert_true(got >= 0);
	close(got);
	assert_status(HF_BUSY, take("p", HF_LOCK_EXCLUSIVE, 12, 9, &got), NULL);
	assert_int_equal(rival_end(&rival), 0);
	lender.lent = "other";
	lender.hold = true;
	rival = rival_start(lend, &lender);
	assert_hears(&rival, 'l');
	assert_status(HF_BUSY, take("p", HF_LOCK_EXCLUSIVE, 10, 10, &got), NULL);
	assert_int_equal(got, -1);
	assert_int_equal(rival_end(&rival), 0);
}

static void a_directory_has_no_ranges(void **state)
{
	int got;

	(void)state;
	assert_int_equal(mkdir("dir", 0777), 0);
	assert_status(HF_USAGE, take("dir", HF_LOCK_EXCLUSIVE, 0, 0, &got), NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(ranges_exclude_where_they_overlap),
	cmocka_unit_test(a_wait_ends_at_the_deadline),
	cmocka_unit_test(an_ordinary_fcntl_lock_is_waited_for_and_its_holder_named),
	cmocka_unit_test(after_a_second_a_notice_is_given),
	cmocka_unit_test(a_descriptor_that_cannot_be_locked),
	cmocka_unit_test(an_inherited_range_is_proved),
	cmocka_unit_test(another_processs_range_is_not_inherited),
	cmocka_unit_test(a_directory_has_no_ranges),
	cmocka_unit_test(a_range_that_is_lent_is_proved),
	cmocka_unit_test(a_range_of_another_file_or_place_is_not_inherited),
	cmocka_unit_test(an_inherited_range_that_is_not_enough),
	cmocka_unit_test(a_file_that_was_recreated_and_locked_is_busy),
};

HF_TEST_MAIN(tests)
