/* SPDX-License-Identifier: ISC */
#include "wait/deadlock.h"

#include <errno.h>

#include <holdfast/clock.h>
#include "hf_test.h"
#include <holdfast/lock_wait.h>
#include "waits.h"

enum { GAVE_UP = 75, MOST = 3 };

/* A member of a cycle: holds its lock, sends 'h', and on request waits for the next one's. */
struct member {
	char own[8], next[8];
	bool plain;  /* waits as flock(1) does */
	bool nested; /* a child waits */
};

static int wait_for_next(const struct member *m)
{
	struct hf_wait wait = {.deadline = hf_deadline_in(30 * HF_SECOND)};
	int fd = open_lock(m->next);
	struct hf_err err;

	if (m->plain)
		return flock(fd, LOCK_EX) == 0 ? 0 : 99;
	switch (hf_lock_wait(fd, HF_LOCK_EXCLUSIVE, m->next, &wait, &err)) {
	case HF_OK:
		return 0;
	case HF_BUSY:
		return strstr(err.message, "': deadlock: it is held by PID ") &&
				       strstr(err.message, " waits for '") &&
				       strstr(err.message, m->nested ? "this command's own ancestor"
								     : "held by this command") &&
				       strstr(err.advice, "take all the locks by one lock-run")
			       ? GAVE_UP
			       : 98;
	default:
		return 97;
	}
}

static int take_part(const struct rival *self, void *arg)
{
	const struct member *m = arg;
	int fd = open_lock(m->own), status;
	pid_t child;

	if (flock(fd, LOCK_EX) < 0)
		return 99;
	rival_say(self, 'h');
	if (rival_hear(self) != 'g')
		return 96;
	if (!m->nested)
		return wait_for_next(m);
	child = fork();
	if (child == 0) {
		close(fd);
		_exit(wait_for_next(m));
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

/* Let them stand in a circle; how each ended. Returns the seconds that it took. */
static double run_circle(const struct member *members, int n, int ends[MOST])
{
	struct rival rivals[MOST];
	int64_t start;

	for (int i = 0; i < n; i++) {
		rivals[i] = rival_start(take_part, (void *)&members[i]);
		assert_hears(&rivals[i], 'h');
	}
	start = hf_now();
	for (int i = 0; i < n; i++)
		rival_tell(&rivals[i], 'g');
	for (int i = 0; i < n; i++)
		ends[i] = rival_end(&rivals[i]);
	return (double)(hf_now() - start) / (double)HF_SECOND;
}

static void the_youngest_of_two_is_the_victim(void **state)
{
	static const struct member members[] = {{.own = "a", .next = "b"},
						{.own = "b", .next = "a"}};
	int ends[MOST];

	(void)state;
	assert_true(run_circle(members, 2, ends) < 2.5);
	assert_int_equal(ends[0], 0);
	assert_int_equal(ends[1], GAVE_UP);
}

static void the_youngest_of_three_is_the_victim(void **state)
{
	static const struct member members[] = {
		{.own = "a", .next = "b"}, {.own = "b", .next = "c"}, {.own = "c", .next = "a"}};
	int ends[MOST];

	(void)state;
	assert_true(run_circle(members, 3, ends) < 2.5);
	assert_int_equal(ends[0], 0);
	assert_int_equal(ends[1], 0);
	assert_int_equal(ends[2], GAVE_UP);
}

/* Each child waits for a lock that the other one's parent holds. */
static void a_cycle_through_ancestors_is_found(void **state)
{
	static const struct member members[] = {{.own = "a", .next = "b", .nested = true},
						{.own = "b", .next = "a", .nested = true}};
	int ends[MOST];

	(void)state;
	assert_true(run_circle(members, 2, ends) < 2.5);
	assert_int_equal(ends[0] + ends[1], GAVE_UP);
}

static void a_waiter_that_cannot_time_out_is_no_victim(void **state)
{
	static const struct member members[] = {{.own = "a", .next = "b"},
						{.own = "b", .next = "a", .plain = true}};
	int ends[MOST];

	(void)state;
	assert_true(run_circle(members, 2, ends) < 2.5);
	assert_int_equal(ends[0], GAVE_UP);
	assert_int_equal(ends[1], 0);
}

/* Holds a, waits for b, whose holder waits for nothing: a chain, and no cycle. */
static void a_chain_is_no_cycle(void **state)
{
	static const struct member member = {.own = "a", .next = "b"};
	struct rival last = rival_start(hold, (void *)"b");
	struct rival middle = rival_start(take_part, (void *)&member);
	struct hf_wait wait = {0};
	struct hf_err err;

	(void)state;
	assert_hears(&last, 'h');
	assert_hears(&middle, 'h');
	rival_tell(&middle, 'g');
	assert_true(await_waiter(middle.pid));
	wait.deadline = hf_deadline_in(1200 * HF_MS); /* past the first check for cycles */
	assert_status(HF_BUSY, hf_lock_wait(open_lock("a"), HF_LOCK_EXCLUSIVE, "a", &wait, &err),
		      &err);
	assert_non_null(strstr(err.message, "cannot lock 'a' in time: held by PID "));
	rival_tell(&last, 'g');
	assert_int_equal(rival_end(&last), 0);
	assert_int_equal(rival_end(&middle), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_youngest_of_two_is_the_victim),
	cmocka_unit_test(the_youngest_of_three_is_the_victim),
	cmocka_unit_test(a_cycle_through_ancestors_is_found),
	cmocka_unit_test(a_waiter_that_cannot_time_out_is_no_victim),
	cmocka_unit_test(a_chain_is_no_cycle),
};

HF_TEST_MAIN(tests)
