/* SPDX-License-Identifier: ISC */
#include "keeperd/keeper_start.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "keeperd/keeper_serve.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include <holdfast/proc.h>

enum { MAX_DESCRIPTORS = 65536, KICK_US = 1000 };

/* A message from the keeper to the starter. */
struct word {
	enum { NOTICE, FAILED, HELD } what;
	struct hf_handle handle;
	struct hf_err err; /* NOTICE: the message is the line */
};

/* The keeper's state. */
struct child {
	const struct hf_keeper_plan *plan;
	struct hf_keeper keeper;
	pid_t starter;
};

static void relay_notice(void *context, const char *line)
{
	const struct child *c = context;
	struct word word = {.what = NOTICE};

	snprintf(word.err.message, sizeof(word.err.message), "%s", line);
	hf_keeper_send(c->keeper.starter, &word, sizeof(word), NULL, 0);
}

/* Cancel the wait. The signal can come just before a blocking call, so SIGALRM repeats it. */
static void cancel_waits(int signo)
{
	const struct itimerval soon = {{0, KICK_US}, {0, KICK_US}};
	int saved = errno;

	(void)signo;
	hf_cancel_waits();
	setitimer(ITIMER_REAL, &soon, NULL);
	errno = saved;
}

static void ignore_alarm(int signo)
{
	(void)signo;
}

static void set_signals(void (*handler)(int))
{
	static const int ending[] = {SIGTERM, SIGHUP, SIGINT};
	struct sigaction act = {.sa_handler = handler};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
		sigaction(ending[i], &act, NULL);
		sigaddset(&set, ending[i]);
	}
	act.sa_handler = ignore_alarm;
	sigaction(SIGALRM, &act, NULL);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Close the standard streams, so that no reader of the caller's output waits for the keeper. */
static void detach_streams(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = open("/", O_PATH | O_CLOEXEC);
	for (int i = 0; i < 3 && fd >= 0; i++)
		dup2(fd, i);
	if (fd >= 3)
		sys_close(fd);
}

/* Close a descriptor of the caller: one that is not close-on-exec. This library opens none of
 * these. */
static void close_if_callers(int fd, bool locks_too)
{
	int flags = fd > 2 ? fcntl(fd, F_GETFD) : -1;

	if (flags >= 0 && !(flags & FD_CLOEXEC) && (locks_too || !hf_fd_locks(fd)))
		sys_close(fd);
}

static void close_all_callers(bool locks_too)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	struct rlimit limit;

	if (dir) {
		while ((entry = readdir(dir)))
			close_if_callers(atoi(entry->d_name), locks_too);
		closedir(dir);
	} else if (locks_too && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		for (int fd = 3; fd < MAX_DESCRIPTORS && (rlim_t)fd < limit.rlim_cur; fd++)
			close_if_callers(fd, true);
	}
}

/* Copy the environment, so that its memory can be overwritten. It is used until the end. */
static bool move_environment(void)
{
	size_t count = 0;
	char **copy;

	while (environ[count])
		count++;
	copy = calloc(count + 1, sizeof(*copy));
	for (size_t i = 0; copy && i < count; i++) {
		copy[i] = strdup(environ[i]);
		if (!copy[i])
			return false;
	}
	if (copy)
		environ = copy;
	return copy;
}

/* Set the title that /proc/PID/cmdline shows. The environment follows the arguments in memory, and
 * cmdline shows the text up to a NUL if the arguments no longer end with one. */
static void set_title(char **argv, pid_t owner)
{
	char title[128] = "lock-acquire, for no owner", *end = argv[0];
	struct hf_proc proc;

	if (owner && hf_proc_read(owner, &proc))
		snprintf(title, sizeof(title), "lock-acquire, for PID %d (%s)", (int)owner,
			 proc.name);
	for (char **s = argv; *s == end; s++)
		end += strlen(*s) + 1;
	for (char **s = environ; *s == end; s++)
		end += strlen(*s) + 1;
	if (!move_environment())
		return;
	if ((size_t)(end - argv[0]) < sizeof(title))
		title[end - argv[0] - 1] = '\0';
	memset(argv[0], 0, (size_t)(end - argv[0]));
	strcpy(argv[0], title);
}

/* Become a daemon that can be asked. Nothing can fail after it. */
static enum hf_status become_daemon(struct child *c, char place[PATH_MAX], struct hf_err *err)
{
	enum hf_status status;

	if (!getcwd(place, PATH_MAX))
		place[0] = '\0';
	c->keeper.place = place;
	status = hf_keeper_open(&c->keeper, err);
	if (status != HF_OK)
		return status;
	close_all_callers(true);
	if (chdir("/") < 0)
		return hf_fail_errno(err, "cannot make a keeper: its directory");
	if (c->plan->argv)
		set_title(c->plan->argv, c->plan->owner);
	return HF_OK;
}

/* Stop reacting to signals: the socket reports the starter's exit from here on. Return false if the
 * keeper had received a signal to exit (keeperd/K2). */
static bool starter_is_there(const struct child *c)
{
	set_signals(SIG_IGN);
	prctl(PR_SET_PDEATHSIG, 0);
	setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
	return !hf_waits_are_cancelled() && getppid() == c->starter;
}

static void run_keeper(struct child *c)
{
	struct hf_wait wait = c->plan->wait;
	struct word word = {.what = FAILED};
	enum hf_status status = HF_OK;
	char place[PATH_MAX];

	wait.notice = wait.notice ? relay_notice : NULL;
	wait.context = c;
	signal(SIGPIPE, SIG_IGN);
	set_signals(cancel_waits);
	if (sys_setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		status = hf_fail_errno(&word.err, "cannot make a keeper");
	/* the starter may have died before prctl() */
	if (getppid() != c->starter)
		return;
	detach_streams();
	close_all_callers(false);
	c->keeper.set = hf_lockset_new();
	if (status == HF_OK)
		status = c->plan->acquire(c->plan->context, c->keeper.set, &wait, &word.err);
	if (status == HF_OK && starter_is_there(c)) {
		status = become_daemon(c, place, &word.err);
		word.what = status == HF_OK ? HELD : FAILED;
		word.handle = c->keeper.handle;
	} else if (status == HF_OK)
		hf_fail(&word.err, HF_BUSY,
			"the keeper received a signal before it held the locks");
	/* on failure release the locks before reporting it */
	if (word.what == FAILED)
		hf_lockset_free(c->keeper.set);
	c->keeper.over = !hf_keeper_send(c->keeper.starter, &word, sizeof(word), NULL, 0);
	if (word.what == HELD)
		hf_keeper_serve(&c->keeper);
}

/* Open a pidfd of the owner while it is an ancestor (keeperd/K4). */
static enum hf_status open_owner(pid_t owner, int *fd, struct hf_err *err)
{
	const char *why = "it is not an ancestor of this command";

	*fd = -1;
	if (!owner)
		return HF_OK;
	*fd = pidfd_open(owner, 0);
	if (*fd < 0 && errno != ESRCH && errno != EINVAL)
		return hf_fail_errno(err, "cannot watch the owner, PID %d", (int)owner);
	if (*fd < 0)
		why = "there is no such process";
	else if (owner == getppid() || (owner != getpid() && hf_proc_is_ancestor(owner)))
		return HF_OK;
	else if (!hf_proc_mounted())
		why = "without /proc it is not known to be an ancestor";
	hf_close(*fd);
	*fd = -1;
	hf_fail(err, HF_USAGE, "PID %d cannot be the owner: %s", (int)owner, why);
	hf_advise(err, "name the script itself: --owner $$");
	return HF_USAGE;
}

/* End the keeper and wait for its exit. It reacts to a signal while it waits for a lock, and to its
 * socket once it holds. */
static void end_keeper(pid_t pid, int socket)
{
	kill(pid, SIGTERM);
	sys_close(socket);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Relay notices until the keeper reports success or failure. */
static enum hf_status await_result(const struct hf_keeper_plan *plan, struct hf_kept *kept,
				   int owner, struct hf_err *err)
{
	struct pollfd polled[] = {{.fd = kept->socket, .events = POLLIN},
				  {.fd = owner, .events = POLLIN}};
	struct word word;
	ssize_t n;

	for (;;) {
		if (poll(polled, 2, -1) < 0)
			continue;
		if (polled[1].revents)
			return hf_fail(err, HF_NO, "the owner, PID %d, has exited",
				       (int)plan->owner);
		n = hf_keeper_receive(kept->socket, &word, sizeof(word), NULL, NULL);
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n != sizeof(word))
			return hf_fail(err, HF_OS,
				       "the keeper was killed before it held the locks");
		if (word.what == NOTICE) {
			plan->wait.notice(plan->wait.context, word.err.message);
		} else if (word.what == HELD) {
			kept->handle = word.handle;
			return HF_OK;
		} else {
			if (err)
				*err = word.err;
			return word.err.status;
		}
	}
}

enum hf_status hf_keeper_start(const struct hf_keeper_plan *plan, struct hf_kept *kept,
			       struct hf_err *err)
{
	struct child child = {.plan = plan, .starter = getpid()};
	struct hf_keeper *keeper = &child.keeper;
	enum hf_status status = open_owner(plan->owner, &keeper->owner_fd, err);
	int ends[2];
	pid_t pid;

	if (status != HF_OK)
		return status;
	keeper->owner = plan->owner;
	keeper->ttl = plan->ttl;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		status = hf_fail_errno(err, "cannot make a keeper");
		goto out;
	}
	hf_reset_sigchld();
	pid = sys_fork();
	if (pid == 0) {
		hf_fault_forked();
		sys_close(ends[0]);
		keeper->starter = ends[1];
		run_keeper(&child);
		_exit(0);
	}
	if (pid < 0)
		status = hf_fail_errno(err, "cannot make a keeper");
	sys_close(ends[1]);
	*kept = (struct hf_kept){.handle.pid = pid, .socket = ends[0]};
	if (pid < 0) {
		sys_close(ends[0]);
		goto out;
	}
	status = await_result(plan, kept, keeper->owner_fd, err);
	if (status != HF_OK)
		end_keeper(pid, ends[0]);
out:
	hf_close(keeper->owner_fd);
	return status;
}

enum hf_status hf_keeper_leave(struct hf_kept *kept, struct hf_err *err)
{
	bool sent = hf_keeper_send(kept->socket, "k", 1, NULL, 0);

	sys_close(kept->socket);
	if (sent)
		return HF_OK;
	return hf_fail(err, HF_NO, "the keeper, PID %d, was killed", (int)kept->handle.pid);
}

void hf_keeper_abandon(struct hf_kept *kept)
{
	end_keeper(kept->handle.pid, kept->socket);
}
