/* SPDX-License-Identifier: ISC */
#include "probe/lock_table.h"

#include "hf_test.h"
#include "waits.h"

static struct hf_lock_table table;

/* The entry of this file, after a new scan. */
static const struct hf_locked_file *look_at(const char *path, enum hf_lock_type type)
{
	int fd = open(path, O_PATH | O_CLOEXEC);
	const struct hf_locked_file *locked;
	struct hf_lock_id id;

	assert_true(fd >= 0);
	assert_true(hf_lock_id_of(fd, &id));
	hf_lock_table_free(&table);
	assert_true(hf_lock_table_read(&table));
	locked = hf_lock_table_find(&table, &id, type);
	close(fd);
	return locked;
}

static bool has(const struct hf_locked_file *locked, pid_t pid, enum hf_via via)
{
	for (size_t i = 0; i < locked->holder_count; i++)
		if (locked->holders[i].pid == pid && locked->holders[i].via == via)
			return true;
	return false;
}

static void a_holder_and_its_waiters(void **state)
{
	struct rival holder = rival_start(hold, (void *)"w"), waiter;
	const struct hf_locked_file *locked;
	char path[4096];

	(void)state;
	assert_hears(&holder, 'h');
	waiter = rival_start(hold, (void *)"w");
	assert_true(await_waiter(waiter.pid));
	locked = look_at("w", HF_LOCK_FLOCK);
	assert_non_null(locked);
	assert_int_equal(locked->holder_count, 1);
	assert_true(has(locked, holder.pid, HF_VIA_TAKEN));
	assert_int_equal(locked->waiter_count, 1);
	assert_int_equal(locked->waiters[0].pid, waiter.pid);
	assert_non_null(realpath("w", path));
	assert_string_equal(locked->path, path);
	assert_false(locked->deleted);
	assert_false(locked->own);
	assert_int_equal(unlink("w"), 0);
	close(open_lock("w"));
	assert_null(look_at("w", HF_LOCK_FLOCK));
	for (size_t i = 0; i < table.count; i++)
		if (table.at[i].path && strcmp(table.at[i].path, path) == 0)
			assert_true(table.at[i].deleted);
	rival_tell(&holder, 'g');
	rival_end(&holder);
	assert_hears(&waiter, 'h');
	rival_end(&waiter);
}

/* Its child has taken the lock and is dead; another child has it as well. */
static int inherit(const struct rival *self, void *arg)
{
	int fd = open_high(arg);
	pid_t taker = fork(), heir;

	if (taker == 0)
		_exit(flock(fd, LOCK_SH) == 0 ? 0 : 1);
	waitpid(taker, NULL, 0);
	heir = fork();
	if (heir == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	rival_say(self, 'h');
	rival_hear(self);
	kill(heir, SIGKILL);
	waitpid(heir, NULL, 0);
	return 0;
}

/* probe/T1 */
static void every_process_that_inherited_it_holds_it(void **state)
{
	struct rival holder = rival_start(inherit, (void *)"i");
	const struct hf_locked_file *locked;

	(void)state;
	assert_hears(&holder, 'h');
	locked = look_at("i", HF_LOCK_FLOCK);
	assert_non_null(locked);
	assert_int_equal(locked->holder_count, 2);
	assert_true(has(locked, holder.pid, HF_VIA_INHERITED));
	assert_false(locked->holders[0].record.exclusive);
	rival_end(&holder);
}

static int hold_ranges(const struct rival *self, void *arg)
{
	struct flock lock = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
	int posix = open_lock(arg), ofd = open_lock("ofd");

	if (fcntl(posix, F_SETLK, &lock) < 0)
		return 99;
	lock = (struct flock){.l_type = F_RDLCK, .l_start = 100};
	if (fcntl(ofd, F_OFD_SETLK, &lock) < 0)
		return 98;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

static void ranges_of_either_type(void **state)
{
	struct rival holder = rival_start(hold_ranges, (void *)"posix");
	const struct hf_locked_file *locked;

	(void)state;
	assert_hears(&holder, 'h');
	locked = look_at("posix", HF_LOCK_POSIX);
	assert_non_null(locked);
	assert_int_equal(locked->holder_count, 1);
	assert_true(has(locked, holder.pid, HF_VIA_TAKEN));
	assert_int_equal(locked->holders[0].record.start, 10);
	assert_int_equal(locked->holders[0].record.last, 14);
	assert_null(look_at("posix", HF_LOCK_FLOCK));
	locked = look_at("ofd", HF_LOCK_OFD);
	assert_non_null(locked);
	assert_true(locked->holder_count == 1 && locked->holders[0].pid == holder.pid);
	assert_int_equal(locked->holders[0].record.start, 100);
	assert_true(locked->holders[0].record.last == INT64_MAX);
	rival_end(&holder);
}

/* probe/T5 */
static void the_inspecting_process_is_no_holder(void **state)
{
	int fd = open_lock("own");
	const struct hf_locked_file *locked;

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	locked = look_at("own", HF_LOCK_FLOCK);
	assert_non_null(locked);
	assert_true(locked->own);
	assert_int_equal(locked->holder_count, 0);
	close(fd);
}

static int look_as_nobody(const struct rival *self, void *arg)
{
	const pid_t *holder = arg;
	const struct hf_locked_file *locked;

	(void)self;
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 99;
	locked = look_at("root", HF_LOCK_FLOCK);
	if (!locked || locked->holder_count != 1 || locked->path || !table.hidden)
		return 98;
	return has(locked, *holder, HF_VIA_REPORTED) ? 0 : 97;
}

/* probe/T2 */
static void a_holder_that_may_not_be_inspected_is_reported(void **state)
{
	struct rival holder, looker;

	(void)state;
	require_root();
	chmod(".", 0755);
	holder = rival_start(hold, (void *)"root");
	assert_hears(&holder, 'h');
	looker = rival_start(look_as_nobody, &holder.pid);
	assert_int_equal(rival_end(&looker), 0);
	rival_end(&holder);
}

/* Hands the lock to and fro. */
static int hand_over(const struct rival *self, void *arg)
{
	int fd = open_lock(arg);

	rival_say(self, 'r');
	for (;;)
		if (flock(fd, LOCK_EX) < 0 || flock(fd, LOCK_UN) < 0)
			return 99;
}

/* probe/T3, probe/T4 */
static void a_lock_that_changes_hands_has_one_holder(void **state)
{
	struct rival rivals[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		rivals[i] = rival_start(hand_over, (void *)"hands");
		assert_hears(&rivals[i], 'r');
	}
	for (int look = 0; look < 40; look++) {
		const struct hf_locked_file *locked = look_at("hands", HF_LOCK_FLOCK);
		size_t hidden = 0;

		for (size_t i = 0; locked && i < locked->holder_count; i++)
			hidden += locked->holders[i].via == HF_VIA_REPORTED;
		assert_int_equal(hidden, 0);
	}
	for (size_t i = 0; i < 3; i++) {
		kill(rivals[i].pid, SIGKILL);
		rival_end(&rivals[i]);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_holder_and_its_waiters),
	cmocka_unit_test(every_process_that_inherited_it_holds_it),
	cmocka_unit_test(ranges_of_either_type),
	cmocka_unit_test(the_inspecting_process_is_no_holder),
	cmocka_unit_test(a_holder_that_may_not_be_inspected_is_reported),
	cmocka_unit_test(a_lock_that_changes_hands_has_one_holder),
};

HF_TEST_MAIN(tests)
