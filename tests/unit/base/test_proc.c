/* SPDX-License-Identifier: ISC */
#include <holdfast/proc.h>

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <time.h>

#include "hf_test.h"

static void a_process_is_read(void **state)
{
	struct hf_proc me, child;
	struct timespec up;
	pid_t pid;

	(void)state;
	assert_true(hf_proc_mounted());
	assert_true(hf_proc_read(getpid(), &me));
	assert_int_equal(me.pid, getpid());
	assert_int_equal(me.parent, getppid());
	assert_int_equal(me.state, 'R');
	assert_string_equal(me.name, "test_proc");
	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &up), 0);
	assert_true(me.start > 0 &&
		    me.start <= (uint64_t)(up.tv_sec + 1) * (uint64_t)sysconf(_SC_CLK_TCK));

	pid = fork();
	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
	assert_true(hf_proc_read(pid, &child));
	assert_int_equal(child.state, 'Z');
	assert_int_equal(child.parent, getpid());
	assert_true(child.start >= me.start);
	waitpid(pid, NULL, 0);
	assert_false(hf_proc_read(pid, &child));
	assert_true(errno == ENOENT || errno == ESRCH);
}

static void a_name_may_hold_anything(void **state)
{
	static const char *const names[] = {") R 1 (", "a) b) c", "((((", ")", " ", "1 2 3"};
	struct hf_proc proc;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(prctl(PR_SET_NAME, names[i]), 0);
		assert_true(hf_proc_read(getpid(), &proc));
		assert_string_equal(proc.name, names[i]);
		assert_int_equal(proc.parent, getppid());
	}
	prctl(PR_SET_NAME, "test_proc");
}

static void impossible_pids_are_no_process(void **state)
{
	struct hf_proc proc;

	(void)state;
	assert_false(hf_proc_read(0, &proc));
	assert_false(hf_proc_read(-1, &proc));
	assert_false(hf_proc_read(4194305, &proc)); /* above the kernel's PID_MAX_LIMIT */
	assert_false(hf_proc_is_ancestor(0));
	assert_false(hf_proc_is_ancestor(-1));
}

static int tell_ancestry(const struct rival *self, void *arg)
{
	pid_t grandparent = *(pid_t *)arg;

	(void)self;
	if (!hf_proc_is_ancestor(getpid()) || !hf_proc_is_ancestor(getppid()) ||
	    !hf_proc_is_ancestor(grandparent) || !hf_proc_descends(getppid(), grandparent))
		return 99;
	return hf_proc_descends(grandparent, getpid()) ? 98 : 0;
}

static int have_child(const struct rival *self, void *arg)
{
	struct rival child = rival_start(tell_ancestry, arg);

	(void)self;
	return rival_end(&child);
}

static int stay(const struct rival *self, void *arg)
{
	(void)arg;
	rival_say(self, 's');
	rival_hear(self);
	return 0;
}

static void ancestors_and_descendants_are_recognized(void **state)
{
	pid_t me = getpid();
	struct rival child = rival_start(have_child, &me), sibling;

	(void)state;
	assert_int_equal(rival_end(&child), 0);
	sibling = rival_start(stay, NULL);
	assert_hears(&sibling, 's');
	assert_true(hf_proc_descends(sibling.pid, me));
	assert_false(hf_proc_is_ancestor(sibling.pid));
	rival_end(&sibling);
	assert_false(hf_proc_descends(sibling.pid, me));
}

static void a_description_names_the_command_and_its_age(void **state)
{
	char text[512], wanted[128];
	int words[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(words), 0);
	pid = fork();
	if (pid == 0) {
		dup2(words[0], 0);
		close(words[1]);
		execlp("sh", "sh", "-c", "read x; :", "two words", (char *)NULL);
		_exit(127);
	}
	close(words[0]);
	snprintf(wanted, sizeof(wanted), "PID %d (sh -c read x; : two words), running since ", pid);
	/* until it has become sh */
	for (int i = 0; i < 10000; i++) {
		hf_proc_describe(text, sizeof(text), pid);
		if (strncmp(text, wanted, strlen(wanted)) == 0)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	text[strlen(wanted)] = '\0';
	assert_string_equal(text, wanted);
	close(words[1]);
	waitpid(pid, NULL, 0);
	snprintf(wanted, sizeof(wanted), "PID %d (gone)", pid);
	assert_string_equal(hf_proc_describe(text, sizeof(text), pid), wanted);
	assert_string_equal(hf_proc_describe(text, sizeof(text), 0),
			    "a process that you may not see");
}

static int look_without_proc(const struct rival *self, void *arg)
{
	struct hf_proc proc;

	(void)self;
	(void)arg;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", 0, NULL) < 0)
		return 99;
	return hf_proc_mounted() || hf_proc_read(getpid(), &proc) || hf_proc_is_ancestor(getppid())
		       ? 98
		       : 0;
}

static int look_in_other_namespace(const struct rival *self, void *arg)
{
	pid_t pid;
	int status;

	(void)self;
	(void)arg;
	if (unshare(CLONE_NEWPID) < 0)
		return 99;
	pid = fork();
	if (pid == 0) /* PID 1, below a /proc in which that is another */
		_exit(hf_proc_mounted() ? 98 : 0);
	return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : 97;
}

static void a_missing_proc_or_one_of_another_namespace_is_noticed(void **state)
{
	struct rival rival;

	(void)state;
	require_mount();
	require_pid_namespace();
	rival = rival_start(look_without_proc, NULL);
	assert_int_equal(rival_end(&rival), 0);
	rival = rival_start(look_in_other_namespace, NULL);
	assert_int_equal(rival_end(&rival), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_process_is_read),
	cmocka_unit_test(a_name_may_hold_anything),
	cmocka_unit_test(impossible_pids_are_no_process),
	cmocka_unit_test(ancestors_and_descendants_are_recognized),
	cmocka_unit_test(a_description_names_the_command_and_its_age),
	cmocka_unit_test(a_missing_proc_or_one_of_another_namespace_is_noticed),
};

HF_TEST_MAIN(tests)
