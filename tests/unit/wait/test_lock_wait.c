/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_wait.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include "hf_test.h"
#include "waits.h"

static struct hf_wait within(int64_t duration)
{
	return (struct hf_wait){.deadline = hf_deadline_in(duration)};
}

static enum hf_status lock(const char *path, enum hf_lock_mode mode, const struct hf_wait *wait,
			   struct hf_err *err)
{
	return hf_lock_wait(open_lock(path), mode, path, wait, err);
}

static int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = -2;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void a_free_lock_is_taken_and_no_thread_is_made(void **state)
{
	int fd = open_lock("free"), before = count_threads();
	struct hf_wait wait = within(HF_SECOND);
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_lock_wait(fd, HF_LOCK_EXCLUSIVE, "free", &wait, &err), &err);
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	assert_int_equal(count_threads(), before);
	close(fd);
	fd = open_lock("free");
	assert_status(HF_OK, hf_lock_wait(fd, HF_LOCK_SHARED, "free", &wait, &err), &err);
	assert_int_equal(hf_fd_held(fd), HF_HELD_SHARED);
	assert_status(HF_OK, lock("free", HF_LOCK_SHARED, &wait, &err), &err);
	close(fd);
}

static void without_waiting_busy_names_the_holder(void **state)
{
	struct rival rival = rival_start(hold, (void *)"n");
	struct hf_wait wait = within(0);
	char wanted[64];
	struct hf_err err;

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, lock("n", HF_LOCK_EXCLUSIVE, &wait, &err), &err);
	snprintf(wanted, sizeof(wanted), "cannot lock 'n': held by PID %d (", rival.pid);
	assert_int_equal(strncmp(err.message, wanted, strlen(wanted)), 0);
	assert_non_null(strstr(err.message, ", running since "));
	assert_status(HF_BUSY, lock("n", HF_LOCK_SHARED, &wait, NULL), NULL);
	rival_end(&rival);
}

static void a_timeout_is_kept_and_says_what_to_do(void **state)
{
	struct rival rival = rival_start(hold, (void *)"t");
	struct hf_wait wait;
	char wanted[64];
	struct hf_err err;
	int64_t start;

	(void)state;
	assert_hears(&rival, 'h');
	start = hf_now();
	wait = within(200 * HF_MS);
	wait.limit = 300 * HF_MS; /* as if it had been made before */
	assert_status(HF_BUSY, lock("t", HF_LOCK_EXCLUSIVE, &wait, &err), &err);
	assert_true(hf_now() - start >= 200 * HF_MS);
	assert_true(hf_now() - start < 1200 * HF_MS);
	snprintf(wanted, sizeof(wanted), "cannot lock 't' within 300ms: held by PID %d (",
		 rival.pid);
	assert_int_equal(strncmp(err.message, wanted, strlen(wanted)), 0);
	snprintf(wanted, sizeof(wanted), "wait longer with -w, or see what PID %d does", rival.pid);
	assert_string_equal(err.advice, wanted);
	rival_end(&rival);
}

static void a_lock_given_back_is_taken(void **state)
{
	struct hf_wait wait = within(20 * HF_SECOND);
	struct rival rival = rival_start(hold_until_awaited, (void *)"g");
	int fd = open_lock("g");
	struct hf_err err;

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_OK, hf_lock_wait(fd, HF_LOCK_EXCLUSIVE, "g", &wait, &err), &err);
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	assert_int_equal(rival_end(&rival), 0);
	close(fd);
}

/* Whatever the moment, the answer and the lock agree. */
static void at_the_deadline_the_answer_and_the_lock_agree(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		struct hf_wait wait;
		struct rival rival = rival_start(hold, (void *)"d");
		int fd = open_lock("d");
		enum hf_status status;

		assert_hears(&rival, 'h');
		wait = within(3 * HF_MS);
		if (fork() == 0) { /* lets go about then */
			nanosleep(&(struct timespec){.tv_nsec = 2000000 + i * 50000}, NULL);
			rival_tell(&rival, 'g');
			_exit(0);
		}
		status = hf_lock_wait(fd, HF_LOCK_EXCLUSIVE, "d", &wait, NULL);
		assert_true(status == HF_OK || status == HF_BUSY);
		assert_int_equal(hf_fd_held(fd),
				 status == HF_OK ? HF_HELD_EXCLUSIVE : HF_HELD_NONE);
		close(fd);
		rival_end(&rival);
		wait.deadline = 0;
		waitpid(-1, NULL, 0);
	}
}

struct noted {
	int count, tell;
	char line[1200];
};

static void note(void *context, const char *line)
{
	struct noted *noted = context;

	noted->count++;
	snprintf(noted->line, sizeof(noted->line), "%s", line);
	if (noted->tell >= 0 && write(noted->tell, "n", 1) != 1)
		noted->count = -1;
}

static void after_a_second_of_a_wait_the_holder_is_named(void **state)
{
	struct rival rival = rival_start(hold, (void *)"s");
	struct noted noted = {.tell = -1};
	struct hf_wait wait;
	char wanted[64];

	(void)state;
	assert_hears(&rival, 'h');
	wait = within(2200 * HF_MS);
	wait.notice = note;
	wait.context = &noted;
	assert_int_equal(lock("s", HF_LOCK_EXCLUSIVE, &wait, NULL), HF_BUSY);
	assert_int_equal(noted.count, 1);
	snprintf(wanted, sizeof(wanted), "waiting for 's', held by PID %d (", rival.pid);
	assert_int_equal(strncmp(noted.line, wanted, strlen(wanted)), 0);
	rival_end(&rival);
}

static int queue(const struct rival *self, void *arg)
{
	struct noted noted = {.tell = self->tell};
	struct hf_wait wait = {.deadline = HF_NEVER, .notice = note, .context = &noted};
	int out = open("order", O_WRONLY | O_APPEND | O_CREAT, 0666);

	if (lock("q", HF_LOCK_EXCLUSIVE, &wait, NULL) != HF_OK)
		return 98;
	return write(out, arg, 1) == 1 ? 0 : 99;
}

/* Through the checks, which must not interrupt the wait. */
static void the_order_of_the_queue_is_kept(void **state)
{
	static const char numbers[] = "12345";
	struct rival holder = rival_start(hold, (void *)"q"), waiter[5];

	(void)state;
	assert_hears(&holder, 'h');
	for (int i = 0; i < 5; i++) {
		waiter[i] = rival_start(queue, (void *)&numbers[i]);
		assert_true(await_waiter(waiter[i].pid));
	}
	for (int i = 0; i < 5; i++)
		assert_hears(&waiter[i], 'n');
	rival_tell(&holder, 'g');
	assert_int_equal(rival_end(&holder), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(rival_end(&waiter[i]), 0);
	assert_file("order", "12345");
}

static volatile sig_atomic_t signals;
static int signal_pipe[2];

static void on_signal(int signo)
{
	(void)signo;
	signals++;
	(void)!write(signal_pipe[1], "s", 1);
}

static int hold_and_signal(const struct rival *self, void *arg)
{
	int fd = open_lock(arg);
	char byte;

	if (flock(fd, LOCK_EX) < 0)
		return 99;
	rival_say(self, 'h');
	for (int i = 0; i < 3; i++) {
		if (!await_waiter(getppid()) || kill(getppid(), SIGUSR1) < 0 ||
		    read(signal_pipe[0], &byte, 1) != 1)
			return 98;
	}
	return await_waiter(getppid()) ? 0 : 97;
}

static void a_handler_that_runs_does_not_end_the_wait(void **state)
{
	struct sigaction act = {.sa_handler = on_signal};
	struct hf_wait wait = within(20 * HF_SECOND);
	struct rival rival;

	(void)state;
	assert_int_equal(pipe(signal_pipe), 0);
	sigaction(SIGUSR1, &act, NULL);
	rival = rival_start(hold_and_signal, (void *)"i");
	assert_hears(&rival, 'h');
	assert_int_equal(lock("i", HF_LOCK_EXCLUSIVE, &wait, NULL), HF_OK);
	assert_int_equal(signals, 3);
	assert_int_equal(rival_end(&rival), 0);
	signal(SIGUSR1, SIG_DFL);
}

static void the_signal_mask_is_as_it_was_and_does_not_matter(void **state)
{
	struct rival rival = rival_start(hold, (void *)"m");
	struct hf_wait wait;
	sigset_t all, after;

	(void)state;
	assert_hears(&rival, 'h');
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	wait = within(50 * HF_MS);
	assert_int_equal(lock("m", HF_LOCK_EXCLUSIVE, &wait, NULL), HF_BUSY);
	sigprocmask(SIG_SETMASK, NULL, &after);
	assert_true(sigismember(&after, HF_WAIT_SIGNAL));
	assert_true(sigismember(&after, SIGTERM));
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	rival_end(&rival);
}

static void a_failed_lock_names_the_reason(void **state)
{
	struct hf_wait wait = within(HF_SECOND);
	struct hf_err err;

	(void)state;
	assert_status(HF_OS, hf_lock_wait(999, HF_LOCK_SHARED, "x", &wait, &err), &err);
	assert_int_equal(err.errnum, EBADF);
	assert_string_equal(err.message, "cannot lock 'x': Bad file descriptor");
}

/* What it is refused with, by a child of the one that holds arg. */
static int wait_below(const struct rival *self, void *arg)
{
	struct hf_wait wait = within(20 * HF_SECOND);
	int64_t start = hf_now();
	struct hf_err err;
	char wanted[64];

	(void)self;
	if (lock(arg, HF_LOCK_EXCLUSIVE, &wait, &err) != HF_USAGE)
		return 99;
	snprintf(wanted, sizeof(wanted), "held by this command's own ancestor, PID %d (",
		 getppid());
	if (!strstr(err.message, wanted))
		return 98;
	return hf_now() - start < HF_SECOND ? 0 : 97;
}

static int wait_below_without_descriptor(const struct rival *self, void *arg)
{
	close_range((unsigned int)self->tell + 1, ~0U, 0);
	return wait_below(self, arg);
}

static void a_lock_of_an_ancestor_is_refused_quickly(void **state)
{
	static const struct {
		int (*body)(const struct rival *self, void *arg);
		int mode;
	} cases[] = {
		{wait_below, LOCK_EX},
		{wait_below, LOCK_SH}, /* which never lets an exclusive one in */
		{wait_below_without_descriptor, LOCK_EX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = open_high("a");
		struct rival rival;

		assert_int_equal(flock(fd, cases[i].mode), 0);
		rival = rival_start(cases[i].body, (void *)"a");
		assert_int_equal(rival_end(&rival), 0);
		close(fd);
	}
}

static int wait_for_busy_parent(const struct rival *self, void *arg)
{
	struct noted noted = {.tell = self->tell};
	struct hf_wait wait = {.deadline = HF_NEVER, .notice = note, .context = &noted};

	close_range((unsigned int)self->tell + 1, ~0U, 0);
	return lock(arg, HF_LOCK_EXCLUSIVE, &wait, NULL) == HF_OK ? 0 : 99;
}

/* It does not wait for its child to end, and gives the lock back. */
static void a_lock_of_an_ancestor_that_goes_on_is_waited_for(void **state)
{
	struct rival rival;
	int fd = open_high("b");

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	rival = rival_start(wait_for_busy_parent, (void *)"b");
	assert_hears(&rival, 'n');
	flock(fd, LOCK_UN);
	assert_int_equal(rival_end(&rival), 0);
	close(fd);
}

/* The one that took the lock is dead, and our parent never had it. */
static int wait_with_inherited(const struct rival *self, void *arg)
{
	struct hf_wait wait = within(20 * HF_SECOND);
	int fd = open_lock(arg), taker;
	struct hf_err err;
	char wanted[64];

	(void)self;
	taker = fork();
	if (taker == 0)
		_exit(flock(fd, LOCK_EX) == 0 ? 0 : 1);
	waitpid(taker, NULL, 0);
	if (lock(arg, HF_LOCK_EXCLUSIVE, &wait, &err) != HF_USAGE)
		return 99;
	snprintf(wanted, sizeof(wanted), "holds it already, by descriptor %d", fd);
	return strstr(err.message, wanted) ? 0 : 98;
}

static void a_lock_of_an_inherited_descriptor_is_refused(void **state)
{
	struct rival rival = rival_start(wait_with_inherited, (void *)"h");

	(void)state;
	assert_int_equal(rival_end(&rival), 0);
}

static int wait_for_itself(const struct rival *self, void *arg)
{
	struct hf_wait wait = within(20 * HF_SECOND);

	(void)self;
	if (flock(open_lock(arg), LOCK_EX) < 0)
		return 99;
	return lock(arg, HF_LOCK_EXCLUSIVE, &wait, NULL) == HF_USAGE ? 0 : 98;
}

static void a_lock_of_its_own_is_refused(void **state)
{
	struct rival rival;

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* it has a thread of its own, which could give the lock back */
#endif
	rival = rival_start(wait_for_itself, (void *)"o");
	assert_int_equal(rival_end(&rival), 0);
}

static void *give_back(void *arg)
{
	int fd = *(int *)arg;

	await_waiter(getpid());
	for (int i = 0; i < 60; i++) /* past the first check */
		nap();
	flock(fd, LOCK_UN);
	return NULL;
}

static void a_lock_of_another_thread_is_waited_for(void **state)
{
	struct hf_wait wait = within(20 * HF_SECOND);
	int fd = open_lock("w");
	struct hf_err err;
	pthread_t thread;

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(pthread_create(&thread, NULL, give_back, &fd), 0);
	assert_status(HF_OK, lock("w", HF_LOCK_EXCLUSIVE, &wait, &err), &err);
	pthread_join(thread, NULL);
	close(fd);
}

static int wait_without_proc(const struct rival *self, void *arg)
{
	struct hf_wait limited, for_ever = {.deadline = HF_NEVER};
	struct hf_err err;

	(void)self;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", 0, NULL) < 0)
		return 99;
	limited = within(100 * HF_MS);
	if (lock(arg, HF_LOCK_EXCLUSIVE, &limited, &err) != HF_BUSY ||
	    !strstr(err.message, "held by a process that you may not see"))
		return 98;
	setenv(HF_FD_ENV, "64", 1);
	if (lock(arg, HF_LOCK_EXCLUSIVE, &for_ever, &err) != HF_UNAVAILABLE ||
	    !strstr(err.message, "/proc is not mounted"))
		return 97;
	return 0;
}

static void without_proc_only_an_unlimited_blind_wait_is_refused(void **state)
{
	struct rival holder, rival;

	(void)state;
	require_mount();
	holder = rival_start(hold, (void *)"p");
	assert_hears(&holder, 'h');
	rival = rival_start(wait_without_proc, (void *)"p");
	assert_int_equal(rival_end(&rival), 0);
	rival_end(&holder);
}

static void ignore_signal(int signo)
{
	(void)signo;
}

/* From the watching thread: the process is to give up, and a signal says so to the other thread. */
static void give_up_now(void *context, const char *line)
{
	(void)context;
	(void)line;
	hf_cancel_waits();
	kill(getpid(), SIGUSR1);
}

static int give_up_while_waiting(const struct rival *self, void *arg)
{
	struct sigaction act = {.sa_handler = ignore_signal};
	struct hf_wait wait = {.deadline = HF_NEVER, .notice = give_up_now};
	struct hf_err err;

	(void)self;
	sigaction(SIGUSR1, &act, NULL);
	alarm(20);
	return lock(arg, HF_LOCK_EXCLUSIVE, &wait, &err) != HF_BUSY;
}

static void a_cancelled_process_ends_its_wait(void **state)
{
	struct rival holder = rival_start(hold, (void *)"g"), rival;

	(void)state;
	assert_hears(&holder, 'h');
	rival = rival_start(give_up_while_waiting, (void *)"g");
	assert_int_equal(rival_end(&rival), 0);
	rival_end(&holder);
}

static const struct CMUnitTest tests[] = {
	/* first, since the others leave locks to this process, which is then checked more often */
	cmocka_unit_test(a_cancelled_process_ends_its_wait),
	cmocka_unit_test(a_free_lock_is_taken_and_no_thread_is_made),
	cmocka_unit_test(without_waiting_busy_names_the_holder),
	cmocka_unit_test(a_timeout_is_kept_and_says_what_to_do),
	cmocka_unit_test(a_lock_given_back_is_taken),
	cmocka_unit_test(at_the_deadline_the_answer_and_the_lock_agree),
	cmocka_unit_test(after_a_second_of_a_wait_the_holder_is_named),
	cmocka_unit_test(the_order_of_the_queue_is_kept),
	cmocka_unit_test(a_handler_that_runs_does_not_end_the_wait),
	cmocka_unit_test(the_signal_mask_is_as_it_was_and_does_not_matter),
	cmocka_unit_test(a_failed_lock_names_the_reason),
	cmocka_unit_test(a_lock_of_an_ancestor_is_refused_quickly),
	cmocka_unit_test(a_lock_of_an_ancestor_that_goes_on_is_waited_for),
	cmocka_unit_test(a_lock_of_an_inherited_descriptor_is_refused),
	cmocka_unit_test(a_lock_of_its_own_is_refused),
	cmocka_unit_test(a_lock_of_another_thread_is_waited_for),
	cmocka_unit_test(without_proc_only_an_unlimited_blind_wait_is_refused),
};

HF_TEST_MAIN(tests)
