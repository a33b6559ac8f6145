/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_slots.h>

#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include "hf_test.h"
#include "lender.h"
#include <holdfast/lock_file.h>
#include <holdfast/lock_range.h>
#include <holdfast/lockset.h>
#include "stopped.h"
#include "waits.h"

static struct hf_err err;

/* A slot of so many; *set is to be freed. */
static enum hf_status take(struct hf_lockset **set, int slots, int64_t within, int *slot)
{
	struct hf_wait wait = {.deadline = hf_deadline_in(within)};
	struct hf_lock *lock;
	enum hf_status status;

	*set = hf_lockset_new();
	lock = hf_lockset_add(*set, &hf_lock_slots, "l", HF_LOCK_EXCLUSIVE, &err);
	assert_non_null(lock);
	hf_lock_slots_set(lock, slots);
	status = hf_lockset_acquire(*set, &wait, &err);
	*slot = hf_lock_slot(lock);
	return status;
}

static void each_gets_the_first_that_is_free(void **state)
{
	struct hf_lockset *a, *b, *c;
	int slot, fd = open_lock("l");

	(void)state;
	assert_status(HF_OK, take(&a, 2, 0, &slot), &err);
	assert_int_equal(slot, 0);
	assert_status(HF_OK, take(&b, 2, 0, &slot), &err);
	assert_int_equal(slot, 1);
	assert_status(HF_BUSY, take(&c, 2, 0, &slot), NULL);
	assert_string_equal(err.message, "cannot lock a slot of 'l': all 2 are taken");
	hf_lockset_free(c);
	assert_status(HF_BUSY, take(&c, 2, 20 * HF_MS, &slot), NULL);
	hf_lockset_free(c);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	hf_lockset_free(a);
	assert_status(HF_OK, take(&a, 2, 0, &slot), &err);
	assert_int_equal(slot, 0);
	hf_lockset_free(a);
	hf_lockset_free(b);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_status(HF_BUSY, take(&c, 2, 0, &slot), NULL);
	hf_lockset_free(c);
	close(fd);
}

/* Holds the only slot until it hears. */
static int hold_slot(const struct rival *self, void *arg)
{
	struct hf_lockset *set;
	int slot;

	(void)arg;
	if (take(&set, 1, HF_NEVER, &slot) != HF_OK)
		return 99;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

static void a_slot_is_waited_for(void **state)
{
	struct rival first = rival_start(hold_slot, NULL), second;
	struct hf_lockset *set;
	int slot;

	(void)state;
	assert_hears(&first, 'h');
	second = rival_start(hold_slot, NULL);
	rival_tell(&first, 'x');
	assert_hears(&second, 'h');
	assert_int_equal(rival_end(&first), 0);
	rival_tell(&second, 'x');
	assert_status(HF_OK, take(&set, 1, HF_NEVER, &slot), &err);
	assert_int_equal(slot, 0);
	hf_lockset_free(set);
	assert_int_equal(rival_end(&second), 0);
}

static void the_gate_is_open_again(void **state)
{
	struct hf_lockset *set, *late;
	int slot, fd = open_lock("l");

	(void)state;
	assert_status(HF_OK, take(&set, 1, 0, &slot), &err);
	assert_int_equal(hf_range_try(fd, HF_LOCK_EXCLUSIVE, HF_SLOT_BASE - 1, 1), 0);
	hf_range_unlock(fd, HF_SLOT_BASE - 1, 1);
	assert_status(HF_BUSY, take(&late, 1, 20 * HF_MS, &slot), NULL);
	assert_int_equal(hf_range_try(fd, HF_LOCK_EXCLUSIVE, HF_SLOT_BASE - 1, 1), 0);
	hf_lockset_free(late);
	hf_lockset_free(set);
	close(fd);
}

static void an_inherited_slot_is_kept(void **state)
{
	struct hf_lockset *set, *nested;
	const int *fds;
	char name[16];
	int slot;

	(void)state;
	assert_status(HF_OK, take(&set, 3, 0, &slot), &err);
	assert_int_equal(hf_lockset_fds(set, &fds), 1);
	assert_int_equal(fcntl(fds[0], F_SETFD, 0), 0);
	snprintf(name, sizeof(name), "%d", fds[0]);
	setenv(HF_FD_ENV, name, 1);
	assert_status(HF_OK, take(&nested, 1, 0, &slot), &err);
	assert_int_equal(slot, 0);
	assert_int_equal(hf_lockset_fds(nested, &fds), 0);
	hf_lockset_free(nested);
	unsetenv(HF_FD_ENV);
	assert_status(HF_BUSY, take(&nested, 1, 0, &slot), NULL);
	hf_lockset_free(nested);
	hf_lockset_free(set);
}

static void under_an_inherited_exclusive_lock_there_are_slots(void **state)
{
	struct hf_lockset *a, *b;
	int slot, fd = open_lock("l");
	char name[16];

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	snprintf(name, sizeof(name), "%d", fd);
	setenv(HF_FD_ENV, name, 1);
	assert_status(HF_OK, take(&a, 1, 0, &slot), &err);
	assert_int_equal(slot, 0);
	assert_status(HF_BUSY, take(&b, 1, 0, &slot), NULL);
	unsetenv(HF_FD_ENV);
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	hf_lockset_free(a);
	hf_lockset_free(b);
	close(fd);
}

/* Is the gate held? */
static bool gate_is_held(int fd)
{
	struct flock gate = {.l_type = F_WRLCK, .l_start = HF_SLOT_BASE - 1, .l_len = 1};

	return fcntl(fd, F_OFD_GETLK, &gate) == 0 && gate.l_type != F_UNLCK;
}

/* Holds the slot until its parent waits at the gate; then unlocks it without closing anything,
 * which inotify does not see. */
static int unlock_when_awaited(const struct rival *self, void *arg)
{
	int fd = open_lock("l");

	(void)arg;
	if (flock(fd, LOCK_SH) < 0 || hf_range_try(fd, HF_LOCK_EXCLUSIVE, HF_SLOT_BASE, 1) < 0)
		return 99;
	rival_say(self, 'h');
	for (int i = 0; i < 10000 && !gate_is_held(fd); i++)
		nap();
	if (!gate_is_held(fd))
		return 98;
	hf_range_unlock(fd, HF_SLOT_BASE, 1);
	rival_hear(self);
	return 0;
}

static void the_backoff_finds_a_release_that_inotify_misses(void **state)
{
	struct rival rival = rival_start(unlock_when_awaited, NULL);
	struct hf_lockset *set;
	int slot;

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_OK, take(&set, 1, HF_NEVER, &slot), &err);
	hf_lockset_free(set);
	assert_int_equal(rival_end(&rival), 0);
}

/* This process inherits the lock on "l", a slot of another file, and a range of "l" that is not a
 * slot; another process has the only slot. */
static void a_slot_of_another_file_is_not_inherited(void **state)
{
	struct rival rival = rival_start(hold_slot, NULL);
	int slot, fd = open_lock("l"), other = open_lock("other");
	struct hf_lockset *set;
	char name[32];

	(void)state;
	assert_hears(&rival, 'h');
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	assert_int_equal(fcntl(other, F_SETFD, 0), 0);
	assert_int_equal(hf_range_try(other, HF_LOCK_EXCLUSIVE, HF_SLOT_BASE, 1), 0);
	assert_int_equal(hf_range_try(fd, HF_LOCK_EXCLUSIVE, HF_SLOT_BASE + 1, 1), 0);
	assert_int_equal(hf_range_try(fd, HF_LOCK_EXCLUSIVE, 0, 1), 0);
	snprintf(name, sizeof(name), "%d,%d", fd, other);
	setenv(HF_FD_ENV, name, 1);
	assert_status(HF_BUSY, take(&set, 1, 0, &slot), NULL);
	hf_lockset_free(set);
	assert_status(HF_OK, take(&set, 2, 0, &slot), &err);
	assert_int_equal(slot, 1);
	hf_lockset_free(set);
	unsetenv(HF_FD_ENV);
	assert_int_equal(rival_end(&rival), 0);
	close(fd);
	close(other);
}

static int take_slot_at_once(const struct rival *self, void *arg)
{
	struct hf_lockset *set;
	int slot;

	(void)self;
	(void)arg;
	return take(&set, 1, 0, &slot);
}

static void a_file_that_was_recreated_and_whose_slot_is_taken_is_busy(void **state)
{
	struct stopped taker = {"fcntl_lock#1:stop", take_slot_at_once, NULL};
	struct rival rival = rival_stopped(&taker);
	int fd = recreate_locked("l");

	(void)state;
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_int_equal(hf_range_try(fd, HF_LOCK_EXCLUSIVE, HF_SLOT_BASE, 1), 0);
	rival_continue(&rival);
	assert_int_equal(rival_end(&rival), HF_BUSY);
	close(fd);
}

static void a_slot_that_is_lent_is_proved(void **state)
{
	struct lender lender = {
		.named = "p", .lent = "p", .range = true, .start = HF_SLOT_BASE, .length = 1};
	struct rival rival;
	struct hf_lockset *set;
	struct hf_lock *lock;
	enum hf_status status;

	(void)state;
	for (int k = 0; k < 4; k++) {
		/* the slot; two slots; a slot after the last; a slot of another file */
		lender.start = k == 2 ? HF_SLOT_BASE + 1 : HF_SLOT_BASE;
		lender.length = k == 1 ? 2 : 1;
		lender.lent = k == 3 ? "other" : "p";
		lender.hold = k == 3;
		rival = rival_start(lend, &lender);
		assert_hears(&rival, 'l');
		set = hf_lockset_new();
		lock = hf_lockset_add(set, &hf_lock_slots, "p", HF_LOCK_EXCLUSIVE, &err);
		hf_lock_slots_set(lock, 1);
		status = hf_lockset_acquire(set, &(struct hf_wait){.deadline = HF_NOWAIT}, &err);
		/* where the slot is free, it is taken */
		assert_int_equal(status, k == 0 || k == 2 ? HF_OK : HF_BUSY);
		assert_int_equal(hf_lock_is_borrowed(lock), k == 0);
		hf_lockset_free(set);
		assert_int_equal(rival_end(&rival), 0);
	}
}

static void a_bad_backoff_is_refused_when_it_is_needed(void **state)
{
	struct hf_lockset *set, *second;
	int slot;

	(void)state;
	setenv("HOLDFAST_BACKOFF", "nonsense", 1);
	assert_status(HF_OK, take(&set, 1, 0, &slot), &err);
	assert_status(HF_USAGE, take(&second, 1, HF_SECOND, &slot), NULL);
	unsetenv("HOLDFAST_BACKOFF");
	hf_lockset_free(set);
	hf_lockset_free(second);
}

static void invalid_numbers_are_refused(void **state)
{
	struct hf_lockset *set;
	int slot;

	(void)state;
	assert_status(HF_USAGE, take(&set, 0, 0, &slot), NULL);
	hf_lockset_free(set);
	assert_status(HF_USAGE, take(&set, HF_SLOTS_MAX + 1, 0, &slot), NULL);
	hf_lockset_free(set);
	assert_status(HF_OK, take(&set, HF_SLOTS_MAX, 0, &slot), &err);
	hf_lockset_free(set);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_gets_the_first_that_is_free),
	cmocka_unit_test(a_slot_is_waited_for),
	cmocka_unit_test(the_gate_is_open_again),
	cmocka_unit_test(an_inherited_slot_is_kept),
	cmocka_unit_test(under_an_inherited_exclusive_lock_there_are_slots),
	cmocka_unit_test(the_backoff_finds_a_release_that_inotify_misses),
	cmocka_unit_test(a_bad_backoff_is_refused_when_it_is_needed),
	cmocka_unit_test(invalid_numbers_are_refused),
	cmocka_unit_test(a_slot_that_is_lent_is_proved),
	cmocka_unit_test(a_slot_of_another_file_is_not_inherited),
	cmocka_unit_test(a_file_that_was_recreated_and_whose_slot_is_taken_is_busy),
};

HF_TEST_MAIN(tests)
