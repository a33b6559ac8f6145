/* SPDX-License-Identifier: ISC */
#include "base/spawn.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "hf_test.h"

static struct hf_command command(char **argv)
{
	return (struct hf_command){.argv = argv, .in = -1, .out = -1};
}

#define WORDS(...) ((char **)(const char *const[]){__VA_ARGS__, NULL})

/* Run it to its end. */
static enum hf_status run(const struct hf_command *c, int *wait_status, struct hf_err *err)
{
	struct hf_child child;
	enum hf_status status = hf_spawn(&child, c, err);

	if (status == HF_OK)
		status = hf_supervise(&child, NULL, err);
	*wait_status = child.wait_status;
	return status;
}

static void the_exit_status_of_a_command_is_returned(void **state)
{
	struct hf_command c = command(WORDS("sh", "-c", "exit 7"));
	int wait_status;
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, run(&c, &wait_status, &err), &err);
	assert_int_equal(hf_exit_status(wait_status), 7);
	c.argv = WORDS("sh", "-c", "kill -KILL $$");
	assert_status(HF_OK, run(&c, &wait_status, &err), &err);
	assert_true(WIFSIGNALED(wait_status));
	assert_int_equal(hf_exit_status(wait_status), 128 + SIGKILL);
}

static void a_command_that_cannot_be_run_is_126_or_127(void **state)
{
	static const struct {
		const char *name;
		int status;
		const char *message, *advice;
	} cases[] = {
		{"no-such-command", 127, "cannot run 'no-such-command': No such file or directory",
		 ""},
		{"", 127, "cannot run '': No such file or directory", ""},
		{"./absent/x", 127, "cannot run './absent/x': No such file or directory", ""},
		{"./plain", 126, "cannot run './plain': Permission denied", ""},
		{".", 126, "cannot run '.': Permission denied", ""},
		{"./badly", 127, "cannot run './badly': No such file or directory",
		 "the file is there, but not the interpreter that it names"},
	};
	sigset_t before, after;
	int wait_status;
	struct hf_err err;

	(void)state;
	put_file("plain", "");
	put_file("badly", "#!/no/such/interpreter\n");
	assert_int_equal(chmod("badly", 0755), 0);
	sigprocmask(SIG_SETMASK, NULL, &before);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hf_command c = command(WORDS(cases[i].name, "x"));

		assert_int_equal(run(&c, &wait_status, &err), cases[i].status);
		assert_string_equal(err.message, cases[i].message);
		assert_string_equal(err.advice, cases[i].advice);
	}
	sigprocmask(SIG_SETMASK, NULL, &after);
	for (int i = 1; i < SIGRTMAX; i++)
		assert_int_equal(sigismember(&before, i), sigismember(&after, i));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombies */
}

static void a_script_without_interpreter_runs_by_sh(void **state)
{
	struct hf_command c = command(WORDS("./script", "5"));
	int wait_status;
	struct hf_err err;

	(void)state;
	put_file("script", "exit $1\n");
	assert_int_equal(chmod("script", 0755), 0);
	assert_status(HF_OK, run(&c, &wait_status, &err), &err);
	assert_int_equal(hf_exit_status(wait_status), 5);
}

static void it_gets_the_descriptors_that_it_is_given_and_no_others(void **state)
{
	int in, out, kept, other, wait_status;
	struct hf_command c;
	struct hf_err err;
	char script[128];

	(void)state;
	put_file("in", "input\n");
	in = open("in", O_RDONLY | O_CLOEXEC);
	out = open("out", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	kept = fcntl(in, F_DUPFD_CLOEXEC, 64);
	other = fcntl(in, F_DUPFD_CLOEXEC, 70);
	snprintf(script, sizeof(script),
		 "cat; test -e /proc/$$/fd/%d && ! test -e /proc/$$/fd/%d && echo good", kept,
		 other);
	c = command(WORDS("sh", "-c", script));
	c.in = in;
	c.out = out;
	c.keep = &kept;
	c.keep_count = 1;
	assert_status(HF_OK, run(&c, &wait_status, &err), &err);
	assert_int_equal(wait_status, 0);
	assert_file("out", "input\ngood\n");
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
	close(in);
	close(out);
	close(kept);
	close(other);
}

static int run_masked(const struct rival *self, void *arg)
{
	/* the last digits: libc's own 32 and 33, which posix_spawn(3) may leave ignored, are none
	 * of ours */
	struct hf_command c = command(
		WORDS("sed", "-nE", "s/^(Sig(Blk|Ign):).*(.{7})$/\\1 \\3/p", "/proc/self/status"));
	sigset_t usr1;
	int wait_status;

	(void)self;
	(void)arg;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_SETMASK, &usr1, NULL);
	for (int i = 1; i <= SIGRTMAX; i++)
		signal(i, i == SIGHUP || i == SIGCHLD ? SIG_IGN : SIG_DFL);
	c.out = open("signals", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	return run(&c, &wait_status, NULL) == HF_OK ? wait_status : 99;
}

/* SIGUSR1 blocked, SIGHUP ignored; SIGCHLD is not, as wait(2) would fail. */
static void mask_and_ignored_signals_are_as_we_had_them(void **state)
{
	struct rival rival = rival_start(run_masked, NULL);

	(void)state;
	assert_int_equal(rival_end(&rival), 0);
	assert_file("signals", "SigBlk: 0000200\nSigIgn: 0000001\n");
}

/* As a test that runs in the background of a shell is not: it ignores these. */
static void heed_the_terminal(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
}

/* A supervisor in a process of its own: runs sh -c arg, its output to us, its input from us. */
static int supervise(const struct rival *self, void *arg)
{
	struct hf_command c = command(WORDS("bash", "-c", (const char *)arg));
	int wait_status;

	heed_the_terminal();
	c.in = self->hear;
	c.out = self->tell;
	if (run(&c, &wait_status, NULL) != HF_OK)
		return 99;
	hf_exit_as(wait_status);
}

#define COUNTING                                                                                   \
	"trap 'echo -n t' TERM; trap 'echo -n u' USR1; echo -n r; "                                \
	"until test -e quit; do read -r -n 1; done; exit 9"

/* bash runs a trap only after the read that it was about to begin when the signal came. */
static void assert_hears_trap(const struct rival *rival, char byte)
{
	struct pollfd polled = {.fd = rival->hear, .events = POLLIN};

	while (poll(&polled, 1, 100) == 0)
		rival_tell(rival, 'x');
	assert_hears(rival, byte);
}

static void a_signal_that_a_process_sends_reaches_the_command_once(void **state)
{
	struct rival rival;
	char more;

	(void)state;
	unlink("quit");
	rival = rival_start(supervise, (void *)COUNTING);
	assert_hears(&rival, 'r');
	kill(rival.pid, SIGTERM);
	assert_hears_trap(&rival, 't');
	kill(rival.pid, SIGUSR1);
	assert_hears_trap(&rival, 'u');
	put_file("quit", "");
	rival_tell(&rival, 'x');
	/* nothing else until the end */
	assert_int_equal(read(rival.hear, &more, 1), 0);
	assert_int_equal(rival_end(&rival), 9);
}

static void we_end_as_the_command_ended(void **state)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGQUIT, SIGSEGV, SIGKILL, SIGALRM};
	struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};

	(void)state;
	setrlimit(RLIMIT_CORE, &core);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		char script[80];
		struct rival rival;
		int status;

		snprintf(script, sizeof(script), "exec sh -c 'ulimit -c 0; kill -%d $$; read x'",
			 signals[i]);
		rival = rival_start(supervise, script);
		assert_int_equal(waitpid(rival.pid, &status, 0), rival.pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
		assert_false(WCOREDUMP(status));
		close(rival.hear);
		close(rival.tell);
	}
}

static int supervise_nohup(const struct rival *self, void *arg)
{
	signal(SIGHUP, SIG_IGN);
	return supervise(self, arg);
}

static void an_ignored_signal_is_not_forwarded(void **state)
{
	struct rival rival;

	(void)state;
	unlink("quit");
	rival = rival_start(
		supervise_nohup,
		(void *)"exec env --default-signal=HUP bash -c \"trap 'echo -n h' HUP; " COUNTING
			"\"");
	assert_hears(&rival, 'r');
	kill(rival.pid, SIGHUP);
	kill(rival.pid, SIGUSR1);
	assert_hears_trap(&rival, 'u');
	put_file("quit", "");
	rival_tell(&rival, 'x');
	assert_int_equal(rival_hear(&rival), -1);
	assert_int_equal(rival_end(&rival), 9);
}

static int supervise_alarm(const struct rival *self, void *arg)
{
	setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 50000}, NULL);
	return supervise(self, arg);
}

/* The idiom `alarm; exec`: the command does not have our timer. */
static void a_timer_of_ours_ends_the_command(void **state)
{
	struct rival rival = rival_start(supervise_alarm, (void *)"read x");
	int status;

	(void)state;
	assert_int_equal(waitpid(rival.pid, &status, 0), rival.pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGALRM);
	close(rival.hear);
	close(rival.tell);
}

/* The terminal's other side: read until this text has come. */
static void await_text(int terminal, char *all, size_t size, const char *text, size_t nudge)
{
	size_t used = strlen(all);

	while (!strstr(all, text)) {
		struct pollfd polled = {.fd = terminal, .events = POLLIN};
		ssize_t n;

		/* see assert_hears_trap() */
		while (poll(&polled, 1, 100) == 0)
			assert_int_equal(write(terminal, "\n", nudge), nudge);
		n = read(terminal, all + used, size - used - 1);
		assert_true(n > 0);
		used += (size_t)n;
		all[used] = '\0';
	}
}

static int count_text(const char *all, const char *text)
{
	int n = 0;

	for (; (all = strstr(all, text)); all += strlen(text))
		n++;
	return n;
}

static void a_signal_of_the_terminal_reaches_the_command_once(void **state)
{
	struct hf_command c =
		command(WORDS("bash", "-c",
			      "trap 'echo INT' INT; trap 'echo USR' USR1; echo READY;"
			      "until read -r c; [ \"$c\" = q ]; do :; done; echo END"));
	char all[4096] = "";
	int terminal, status, wait_status;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	(void)state;
	if (pid == 0) {
		heed_the_terminal();
		_exit(run(&c, &wait_status, NULL) == HF_OK ? hf_exit_status(wait_status) : 99);
	}
	await_text(terminal, all, sizeof(all), "READY", 0);
	assert_int_equal(write(terminal, "\x03", 1), 1);
	await_text(terminal, all, sizeof(all), "INT", 1);
	kill(pid, SIGUSR1); /* comes after all that was forwarded before */
	await_text(terminal, all, sizeof(all), "USR", 1);
	assert_int_equal(write(terminal, "q\n", 2), 2);
	await_text(terminal, all, sizeof(all), "END", 0);
	assert_int_equal(count_text(all, "INT"), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(terminal);
}

/* A shell of one job: in a group of its own, stopped and continued. */
static int control_job(const struct hf_command *c)
{
	int wait_status;
	pid_t job = fork();

	if (job == 0) {
		setpgid(0, 0);
		_exit(run(c, &wait_status, NULL) == HF_OK ? hf_exit_status(wait_status) : 99);
	}
	setpgid(job, job);
	signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(0, job);
	if (waitpid(job, &wait_status, WUNTRACED) != job || !WIFSTOPPED(wait_status) ||
	    WSTOPSIG(wait_status) != SIGTSTP)
		return 98;
	dprintf(1, "STOPPED\n");
	kill(-job, SIGCONT);
	if (waitpid(job, &wait_status, 0) != job)
		return 97;
	return WEXITSTATUS(wait_status);
}

static void ctrl_z_stops_us_with_the_command(void **state)
{
	struct hf_command c =
		command(WORDS("bash", "-c", "echo READY; read -r; echo GOT $REPLY; exit 3"));
	char all[4096] = "";
	int terminal, status;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	(void)state;
	if (pid == 0)
		_exit(control_job(&c));
	await_text(terminal, all, sizeof(all), "READY", 0);
	assert_int_equal(write(terminal, "\x1a", 1), 1);
	await_text(terminal, all, sizeof(all), "STOPPED", 0);
	assert_int_equal(write(terminal, "text\n", 5), 5);
	await_text(terminal, all, sizeof(all), "GOT text", 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 3);
	close(terminal);
}

struct taken {
	int fd, calls, most;
	char text[64];
};

static enum hf_status take_some(void *context, struct hf_err *err)
{
	struct taken *t = context;
	size_t used = strlen(t->text);
	ssize_t n = read(t->fd, t->text + used, 4);

	t->text[used + (size_t)(n > 0 ? n : 0)] = '\0';
	if (++t->calls == t->most) {
		close(t->fd);
		return hf_fail(err, HF_IO, "enough");
	}
	return n > 0 ? HF_OK : HF_NO;
}

static enum hf_status run_with_output(const char *script, struct taken *t, bool ends_with_command,
				      int *wait_status, struct hf_err *err)
{
	struct hf_io io = {.ready = take_some, .ends_with_command = ends_with_command};
	struct hf_command c = command(WORDS("sh", "-c", script));
	struct hf_child child;
	enum hf_status status;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	io.context = t;
	io.fd = t->fd = ends[0];
	c.out = ends[1];
	assert_int_equal(hf_spawn(&child, &c, err), HF_OK);
	close(ends[1]);
	status = hf_supervise(&child, &io, err);
	*wait_status = child.wait_status;
	return status;
}

static void output_is_taken_while_it_runs_to_the_end_of_the_last_writer(void **state)
{
	struct taken t = {.most = -1};
	int wait_status;
	struct hf_err err;

	(void)state;
	/* the one in the background writes when its parent has ended */
	assert_status(HF_OK,
		      run_with_output("echo one; p=$$; { while kill -0 $p; do sleep 0.01; done; "
				      "echo two; } 2>/dev/null & exit 4",
				      &t, false, &wait_status, &err),
		      &err);
	assert_string_equal(t.text, "one\ntwo\n");
	assert_int_equal(hf_exit_status(wait_status), 4);
	close(t.fd);
}

static void output_of_no_interest_is_not_waited_for(void **state)
{
	struct taken t = {.most = -1};
	int wait_status, more[2];
	struct hf_err err;
	char script[64];

	(void)state;
	/* one in the background keeps the pipe open until we close ours */
	assert_int_equal(pipe(more), 0);
	snprintf(script, sizeof(script), "exec %d>&-; { read x <&%d; } & exit 5", more[1], more[0]);
	assert_status(HF_OK, run_with_output(script, &t, true, &wait_status, &err), &err);
	assert_int_equal(hf_exit_status(wait_status), 5);
	close(more[0]);
	close(more[1]);
	close(t.fd);
}

static void a_reader_that_fails_ends_the_command_by_sigpipe(void **state)
{
	struct taken t = {.most = 2};
	int wait_status;
	struct hf_err err;

	(void)state;
	assert_status(
		HF_IO,
		run_with_output("while echo -n abcd; do :; done", &t, false, &wait_status, &err),
		NULL);
	assert_string_equal(err.message, "enough");
	assert_int_equal(hf_exit_status(wait_status), 128 + SIGPIPE);
}

/* As PID 1: its command leaves an orphan, which is reaped before the command ends. */
static int be_init(const struct rival *self, void *arg)
{
	struct hf_command c = command(WORDS("sh", "-c", (const char *)arg));
	int wait_status, status;
	pid_t pid;

	(void)self;
	if (unshare(CLONE_NEWPID) < 0)
		return 99;
	pid = fork();
	if (pid == 0) {
		if (run(&c, &wait_status, NULL) != HF_OK)
			_exit(98);
		if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
			_exit(97);
		hf_exit_as(wait_status);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 96;
}

static void as_pid_1_orphans_are_reaped_and_signals_are_exit_statuses(void **state)
{
	struct rival rival;

	(void)state;
	require_pid_namespace();
	assert_int_equal(mkfifo("orphan", 0600), 0);
	/* the orphan is there, if only as a zombie, until we as init have reaped it */
	rival = rival_start(be_init, (void *)"(sh -c 'echo $$ >orphan; exit 3' &); read p <orphan; "
					     "while kill -0 $p 2>/dev/null; do :; done; "
					     "kill -TERM $$");
	assert_int_equal(rival_end(&rival), 128 + SIGTERM);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_exit_status_of_a_command_is_returned),
	cmocka_unit_test(a_command_that_cannot_be_run_is_126_or_127),
	cmocka_unit_test(a_script_without_interpreter_runs_by_sh),
	cmocka_unit_test(it_gets_the_descriptors_that_it_is_given_and_no_others),
	cmocka_unit_test(mask_and_ignored_signals_are_as_we_had_them),
	cmocka_unit_test(a_signal_that_a_process_sends_reaches_the_command_once),
	cmocka_unit_test(we_end_as_the_command_ended),
	cmocka_unit_test(an_ignored_signal_is_not_forwarded),
	cmocka_unit_test(a_timer_of_ours_ends_the_command),
	cmocka_unit_test(a_signal_of_the_terminal_reaches_the_command_once),
	cmocka_unit_test(ctrl_z_stops_us_with_the_command),
	cmocka_unit_test(output_is_taken_while_it_runs_to_the_end_of_the_last_writer),
	cmocka_unit_test(output_of_no_interest_is_not_waited_for),
	cmocka_unit_test(a_reader_that_fails_ends_the_command_by_sigpipe),
	cmocka_unit_test(as_pid_1_orphans_are_reaped_and_signals_are_exit_statuses),
};

HF_TEST_MAIN(tests)
