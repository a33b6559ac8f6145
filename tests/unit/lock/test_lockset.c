/* SPDX-License-Identifier: ISC */
#include <holdfast/lockset.h>

#include <holdfast/clock.h>
#include "hf_test.h"
#include "lock/lock_kind.h"

/*
 * Kinds that lock nothing, and write down what the set does with them: "+" open, "t" take, "?" try,
 * "w" wait, "-" release, each with the path. A path is one or two characters: the first names
 * the inode.
 */
static char diary[512];

static void note(char what, const struct hf_lock *lock)
{
	size_t len = strlen(diary);

	assert_true(len + 8 < sizeof(diary));
	snprintf(diary + len, sizeof(diary) - len, "%c%s ", what, lock->path);
}

/* What the next calls answer, from the first on; HF_OK afterwards. */
static struct answers {
	const char *path;
	enum hf_status take[3], try[3], wait[3];
	int taken, tried, waited;
} answers;

static enum hf_status answer(const struct hf_lock *lock, const enum hf_status all[3], int *given,
			     struct hf_err *err)
{
	enum hf_status status = HF_OK;

	if (answers.path && strcmp(lock->path, answers.path) == 0 && *given < 3)
		status = all[(*given)++];
	if (status == HF_OK || status == HF_NO)
		return status;
	return hf_fail(err, status, "the answer of '%s'", lock->path);
}

static char inode_of_a = 'a';

static enum hf_status fake_open(struct hf_lock *lock, struct hf_err *err)
{
	(void)err;
	note('+', lock);
	lock->st = (struct stat){.st_dev = 1, .st_ino = (ino_t)lock->path[0]};
	if (lock->path[0] == 'a')
		lock->st.st_ino = (ino_t)inode_of_a;
	lock->fd = 1000 + lock->path[0];
	return HF_OK;
}

static enum hf_status fake_take(struct hf_lock *lock, const struct hf_wait *wait,
				struct hf_err *err)
{
	(void)wait;
	note('t', lock);
	return answer(lock, answers.take, &answers.taken, err);
}

static enum hf_status fake_try(struct hf_lock *lock, struct hf_err *err)
{
	note('?', lock);
	return answer(lock, answers.try, &answers.tried, err);
}

static enum hf_status fake_wait(struct hf_lock *lock, const struct hf_wait *wait,
				struct hf_err *err)
{
	(void)wait;
	note('w', lock);
	return answer(lock, answers.wait, &answers.waited, err);
}

static void fake_release(struct hf_lock *lock)
{
	note('-', lock);
	lock->fd = -1;
}

static const struct hf_lock_ops first = {
	.name = "first", .rank = 1, .open = fake_open, .take = fake_take, .release = fake_release};
static const struct hf_lock_ops other = {
	.name = "other", .rank = 1, .open = fake_open, .take = fake_take, .release = fake_release};
static const struct hf_lock_ops foreign = {.name = "foreign",
					   .rank = 3,
					   .open = fake_open,
					   .take = fake_take,
					   .try = fake_try,
					   .wait = fake_wait,
					   .release = fake_release};

static const struct hf_wait for_ever = {.deadline = HF_NEVER};
static struct hf_lockset *set;
static struct hf_err err;

static int begin(void **state)
{
	(void)state;
	diary[0] = '\0';
	answers = (struct answers){.path = NULL};
	inode_of_a = 'a';
	set = hf_lockset_new();
	return set ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	hf_lockset_free(set);
	return 0;
}

static struct hf_lock *add(const struct hf_lock_ops *ops, const char *path)
{
	struct hf_lock *lock = hf_lockset_add(set, ops, path, HF_LOCK_EXCLUSIVE, &err);

	assert_non_null(lock);
	return lock;
}

static void order_is_by_rank_and_identity(void **state)
{
	const int *fds;

	(void)state;
	add(&foreign, "b");
	add(&first, "z");
	add(&foreign, "a");
	add(&first, "c");
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_string_equal(diary, "+b +z +a +c tc tz ta tb ?a ?b ");
	assert_int_equal(hf_lockset_fds(set, &fds), 4);
	assert_int_equal(fds[0], 1000 + 'c');
	assert_int_equal(fds[3], 1000 + 'b');
	diary[0] = '\0';
	hf_lockset_release(set);
	assert_string_equal(diary, "-b -a -z -c ");
	assert_int_equal(hf_lockset_fds(set, &fds), 0);
}

static void a_failure_gives_everything_back(void **state)
{
	(void)state;
	answers = (struct answers){.path = "b", .take = {HF_BUSY}};
	add(&first, "c");
	add(&first, "b");
	add(&first, "a");
	assert_status(HF_BUSY, hf_lockset_acquire(set, &for_ever, &err), NULL);
	assert_string_equal(err.message, "the answer of 'b'");
	assert_string_equal(diary, "+c +b +a ta tb -c -b -a ");
	diary[0] = '\0';
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_string_equal(diary, "+a +b +c ta tb tc ");
}

static void a_path_that_changed_is_sorted_again(void **state)
{
	(void)state;
	answers = (struct answers){.path = "b", .take = {HF_NO}};
	add(&first, "a");
	add(&first, "b");
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_string_equal(diary, "+a +b ta tb -b -a +a +b ta tb ");
	hf_lockset_release(set);
	diary[0] = '\0';
	inode_of_a = 'x';
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_string_equal(diary, "+a +b tb ta ");
}

static enum hf_status quiet_open(struct hf_lock *lock, struct hf_err *e)
{
	enum hf_status status = fake_open(lock, e);

	diary[0] = '\0';
	return status;
}

static enum hf_status never_the_same(struct hf_lock *lock, const struct hf_wait *wait,
				     struct hf_err *e)
{
	(void)lock;
	(void)wait;
	(void)e;
	return HF_NO;
}

static void a_path_that_changes_all_the_time_is_busy(void **state)
{
	static const struct hf_lock_ops restless = {.name = "restless",
						    .rank = 1,
						    .open = quiet_open,
						    .take = never_the_same,
						    .release = fake_release};

	(void)state;
	add(&restless, "r");
	assert_status(HF_BUSY, hf_lockset_acquire(set, &for_ever, &err), NULL);
	assert_string_equal(err.message, "cannot lock 'r': it is replaced all the time");
	assert_string_equal(diary, "-r ");
}

static void an_external_lock_is_waited_for_with_nothing_held(void **state)
{
	(void)state;
	answers = (struct answers){.path = "g", .try = {HF_BUSY, HF_BUSY}};
	add(&foreign, "g");
	add(&first, "a");
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_string_equal(diary, "+g +a ta tg ?g -g -a wg +a +g ta tg ?g -g -a wg "
				   "+a +g ta tg ?g ");
}

static void an_external_lock_that_stays_busy_is_the_error(void **state)
{
	(void)state;
	answers = (struct answers){.path = "g", .try = {HF_BUSY}, .wait = {HF_BUSY}};
	add(&foreign, "g");
	assert_status(HF_BUSY, hf_lockset_acquire(set, &for_ever, &err), NULL);
	assert_string_equal(diary, "+g tg ?g -g wg ");
}

static void at_once_does_not_wait(void **state)
{
	static const struct hf_wait at_once = {.deadline = HF_NOWAIT};

	(void)state;
	answers = (struct answers){.path = "g", .try = {HF_BUSY}};
	add(&foreign, "g");
	assert_status(HF_BUSY, hf_lockset_acquire(set, &at_once, &err), NULL);
	assert_string_equal(err.message, "the answer of 'g'");
	assert_string_equal(diary, "+g tg ?g -g ");
}

static void an_error_is_not_waited_for(void **state)
{
	(void)state;
	answers = (struct answers){.path = "g", .try = {HF_DATA}};
	add(&foreign, "g");
	assert_status(HF_DATA, hf_lockset_acquire(set, &for_ever, &err), NULL);
	assert_string_equal(diary, "+g tg ?g -g ");
}

static void names_of_one_inode_are_one_lock(void **state)
{
	struct hf_lock *shared, *exclusive, *third;
	const int *fds;

	(void)state;
	shared = hf_lockset_add(set, &first, "b1", HF_LOCK_SHARED, &err);
	add(&first, "a");
	exclusive = add(&first, "b2");
	third = hf_lockset_add(set, &first, "b3", HF_LOCK_SHARED, &err);
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_string_equal(diary, "+b1 +a +b2 +b3 ta tb2 ");
	assert_ptr_equal(shared->duplicate_of, exclusive);
	assert_ptr_equal(third->duplicate_of, exclusive);
	assert_int_equal(hf_lockset_fds(set, &fds), 2);
}

static void one_inode_as_two_kinds_is_refused(void **state)
{
	(void)state;
	add(&first, "b1");
	add(&other, "b2");
	assert_status(HF_USAGE, hf_lockset_acquire(set, &for_ever, &err), NULL);
	assert_non_null(strstr(err.message, "they are one file"));
	assert_null(strchr(diary, 't'));
}

static void ranges_of_one_file_are_ordered_and_may_not_overlap(void **state)
{
	struct hf_lock *high, *low;

	(void)state;
	high = add(&first, "b1");
	low = add(&first, "b2");
	high->start = 10;
	low->start = 5;
	low->length = 5;
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_string_equal(diary, "+b1 +b2 tb2 tb1 ");
	hf_lockset_release(set);
	low->length = 6;
	assert_status(HF_USAGE, hf_lockset_acquire(set, &for_ever, &err), NULL);
	low->length = 0;
	assert_status(HF_USAGE, hf_lockset_acquire(set, &for_ever, &err), NULL);
	assert_int_equal(hf_lock_last(5, 5), 9);
	assert_true(hf_lock_last(INT64_MAX, 5) == INT64_MAX);
}

static void many_locks_an_empty_set_and_bad_paths(void **state)
{
	const int *fds;
	char path[2] = "";

	(void)state;
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_null(hf_lockset_add(set, &first, "", HF_LOCK_SHARED, &err));
	assert_int_equal(err.status, HF_USAGE);
	assert_null(hf_lockset_add(NULL, &first, "x", HF_LOCK_SHARED, &err));
	assert_int_equal(err.status, HF_OS);
	for (path[0] = 'z'; path[0] >= 'a'; path[0]--)
		add(&first, path);
	assert_status(HF_OK, hf_lockset_acquire(set, &for_ever, &err), &err);
	assert_int_equal(hf_lockset_fds(set, &fds), 26);
	assert_int_equal(fds[25], 1000 + 'z');
	hf_lockset_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

static const struct CMUnitTest tests[] = {
	TEST(order_is_by_rank_and_identity),
	TEST(a_failure_gives_everything_back),
	TEST(a_path_that_changed_is_sorted_again),
	TEST(a_path_that_changes_all_the_time_is_busy),
	TEST(an_external_lock_is_waited_for_with_nothing_held),
	TEST(an_external_lock_that_stays_busy_is_the_error),
	TEST(at_once_does_not_wait),
	TEST(an_error_is_not_waited_for),
	TEST(names_of_one_inode_are_one_lock),
	TEST(one_inode_as_two_kinds_is_refused),
	TEST(ranges_of_one_file_are_ordered_and_may_not_overlap),
	TEST(many_locks_an_empty_set_and_bad_paths),
};

HF_TEST_MAIN(tests)
