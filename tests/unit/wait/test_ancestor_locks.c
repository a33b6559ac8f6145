/* SPDX-License-Identifier: ISC */
#include "wait/ancestor_locks.h"

#include <sys/wait.h>

#include "hf_test.h"
#include "waits.h"

static int look_at_family(const struct rival *self, void *arg)
{
	int fd = open_lock(arg);
	struct hf_lock_entries records;
	struct hf_ancestor_locks family;
	const struct hf_ancestor_lock *owner;
	struct hf_lock_id id;

	close_range((unsigned int)fd + 1, ~0U, 0);
	(void)self;
	if (!hf_lock_id_of(fd, &id) || !hf_ancestor_locks_read(&family, getpid(), NULL, NULL))
		return 99;
	/* shared by the parent: in the way of an exclusive one only */
	owner = hf_ancestor_lock_find(&family, &id, true);
	if (!owner || owner->pid != getppid() || owner->record.exclusive ||
	    hf_ancestor_lock_find(&family, &id, false))
		return 98;
	hf_ancestor_locks_free(&family);

	/* if no process may be inspected, the entries name the taker */
	if (!hf_lock_entries_read(&records, HF_FLOCK_ONLY) || seteuid(65534) < 0 ||
	    !hf_ancestor_locks_read(&family, getpid(), &records, NULL))
		return 97;
	owner = hf_ancestor_lock_find(&family, &id, true);
	if (!family.hidden || !owner || owner->pid != getppid() || owner->fd != -1)
		return 96;
	hf_ancestor_locks_free(&family);
	hf_lock_entries_free(&records);
	return 0;
}

static void locks_of_ancestors_are_found(void **state)
{
	struct rival child;
	int fd;

	(void)state;
	require_root();
	fd = open_high("f");
	assert_int_equal(flock(fd, LOCK_SH), 0);
	child = rival_start(look_at_family, (void *)"f");
	assert_int_equal(rival_end(&child), 0);
	close(fd);
}

static bool parent_awaits_child(void)
{
	char path[32], place[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/wchan", (int)getppid());
	f = fopen(path, "r");
	if (!f || !fgets(place, sizeof(place), f))
		place[0] = '\0';
	if (f)
		fclose(f);
	return strncmp(place, "do_wait", 7) == 0;
}

/* 0: the parent, which waits for a child, is deadlocked with us; 1: it may go on. */
static int judge_parent(const struct rival *self, void *arg)
{
	struct hf_ancestor_locks family;
	struct hf_lock_id id;
	bool stands;
	int fd = open_lock(arg);

	(void)self;
	close_range((unsigned int)fd + 1, ~0U, 0);
	while (!parent_awaits_child())
		nap();
	if (!hf_lock_id_of(fd, &id) || !hf_ancestor_locks_read(&family, getpid(), NULL, NULL))
		return 99;
	stands = hf_ancestor_self_deadlock(&family, &id, true);
	hf_ancestor_locks_free(&family);
	return stands ? 0 : 1;
}

static void an_ancestor_that_waits_for_its_only_child_is_deadlocked(void **state)
{
	int fd = open_high("s");
	struct rival child;

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	child = rival_start(judge_parent, (void *)"s");
	assert_int_equal(rival_end(&child), 0);
	close(fd);
}

static void an_ancestor_that_may_wait_for_another_child_goes_on(void **state)
{
	struct rival other = rival_start(hold, (void *)"other"), child;
	int fd = open_high("s");

	(void)state;
	assert_hears(&other, 'h');
	assert_int_equal(flock(fd, LOCK_EX), 0);
	child = rival_start(judge_parent, (void *)"s");
	assert_int_equal(rival_end(&child), 1);
	rival_end(&other);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(locks_of_ancestors_are_found),
	cmocka_unit_test(an_ancestor_that_waits_for_its_only_child_is_deadlocked),
	cmocka_unit_test(an_ancestor_that_may_wait_for_another_child_goes_on),
};

HF_TEST_MAIN(tests)
