/* SPDX-License-Identifier: ISC */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <paths.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNNING = -1 }; /* no wait status has this value */

struct event {
	int signo, code; /* as in siginfo_t */
	pid_t from;
	union sigval value;
};

/* All signals except those that a fault of our own raises, and SIGPIPE, which our own writes
 * raise. */
static void forwardable(sigset_t *set)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGPIPE};

	sigfillset(set);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(set, own[i]);
}

/* Return argv for the shell, with [1] for the file; the caller frees it. */
static char **shell_argv(char *const *argv)
{
	size_t argc = 0;
	char **words;

	while (argv[argc])
		argc++;
	words = malloc((argc + 2) * sizeof(*words));
	if (!words)
		return NULL;
	words[0] = (char *)_PATH_BSHELL;
	if (argc)
		memcpy(words + 2, argv + 1, argc * sizeof(*words));
	return words;
}

static void exec_file(char *path, char *const *argv, char **script)
{
	execve(path, argv, environ);
	if (errno != ENOEXEC)
		return;
	script[1] = path;
	execve(_PATH_BSHELL, script, environ);
}

/* execvp(3), but the same with every C library, and without allocation. */
static void exec_in_path(char *const *argv, char **script)
{
	const char *dir = getenv("PATH"), *end;
	size_t name_len = strlen(argv[0]);
	int denied = 0;
	char path[PATH_MAX];

	errno = ENOENT;
	if (!name_len)
		return;
	if (strchr(argv[0], '/')) {
		exec_file(argv[0], argv, script);
		return;
	}
	errno = ENAMETOOLONG;
	if (name_len > NAME_MAX)
		return;
	errno = ENOENT;
	for (dir = dir ? dir : "/bin:/usr/bin"; dir; dir = *end ? end + 1 : NULL) {
		size_t len;

		end = strchrnul(dir, ':');
		len = (size_t)(end - dir);
		if (len + 1 + name_len >= sizeof(path))
			continue;
		memcpy(path, dir, len);
		path[len] = '/';
		strcpy(path + len + (len > 0), argv[0]);
		exec_file(path, argv, script);
		if (errno == EACCES)
			denied = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE &&
			 errno != ENODEV && errno != ETIMEDOUT)
			return;
	}
	if (denied)
		errno = denied;
}

void hf_exec(char *const *argv)
{
	char **script = shell_argv(argv);

	if (script)
		exec_in_path(argv, script);
	free(script);
}

static struct rlimit old_limit, new_limit; /* rlim_max 0: it was not raised */

void hf_raise_limit(size_t descriptors)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= descriptors)
		return;
	if (!old_limit.rlim_max)
		old_limit = limit;
	limit.rlim_cur = descriptors < limit.rlim_max ? descriptors : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		new_limit = limit;
}

void hf_lower_limit(bool lower)
{
	if (new_limit.rlim_max)
		setrlimit(RLIMIT_NOFILE, lower ? &old_limit : &new_limit);
}

enum hf_status hf_check_limit(size_t descriptors, struct hf_err *err)
{
	struct rlimit limit;
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	if (fd < 0 && errno == EBADF)
		fd = open("/", O_PATH | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 &&
	    (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= (rlim_t)fd + descriptors))
		return HF_OK;
	errno = EMFILE;
	hf_fail_errno_as(err, HF_OS, "cannot go on with %d descriptors in use", fd);
	hf_advise(err, "raise the hard limit (ulimit -Hn)");
	return HF_OS;
}

/* In the child, which shares our memory: system calls only, without lasting changes. */
static _Noreturn void exec_command(const struct hf_command *command, char **script,
				   const sigset_t *mask, volatile int *failed)
{
	if (command->in > 0 && dup2(command->in, 0) < 0)
		goto failed;
	if (command->out >= 0 && command->out != 1 && dup2(command->out, 1) < 0)
		goto failed;
	for (size_t i = 0; i < command->keep_count; i++)
		if (fcntl(command->keep[i], F_SETFD, 0) < 0)
			goto failed;
	if (old_limit.rlim_max)
		setrlimit(RLIMIT_NOFILE, &old_limit);
	sigprocmask(SIG_SETMASK, mask, NULL);
	exec_in_path(command->argv, script);
failed:
	*failed = errno;
	_exit(127);
}

static enum hf_status cannot_run(const char *name, int errnum, struct hf_err *err)
{
	enum hf_status status =
		errnum == ENOENT || errnum == ENOTDIR ? HF_NOT_FOUND : HF_CANNOT_RUN;

	errno = errnum;
	hf_fail_errno_as(err, status, "cannot run '%s'", name);
	if (errnum == ENOENT && strchr(name, '/') && access(name, F_OK) == 0)
		hf_advise(err, "the file is there, but not the interpreter that it names");
	return status;
}

/* Not inlined: the child shares the caller's frame, whose variables may lie in registers that a
 * return from vfork(2) does not restore. */
static __attribute__((noinline)) pid_t start(const struct hf_command *command, char **script,
					     const sigset_t *mask, volatile int *failed)
{
	pid_t pid = vfork();

	if (pid == 0)
		exec_command(command, script, mask, failed);
	return pid;
}

void hf_reset_sigchld(void)
{
	struct sigaction action;

	if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
		signal(SIGCHLD, SIG_DFL);
}

enum hf_status hf_spawn(struct hf_child *child, const struct hf_command *command,
			struct hf_err *err)
{
	char **script = shell_argv(command->argv);
	volatile int failed = 0;
	sigset_t block;
	pid_t pid;

	if (!script)
		return hf_fail_errno_as(err, HF_OS, "cannot make a process for '%s'",
					command->argv[0]);
	hf_reset_sigchld();
	forwardable(&block);
	if (sigprocmask(SIG_BLOCK, &block, &child->old_mask) < 0)
		return hf_fail_errno_as(err, HF_OS, "cannot run '%s'", command->argv[0]);
	child->wait_status = RUNNING;
	child->asked = 0;
	pid = start(command, script, &child->old_mask, &failed);
	free(script);
	child->pid = pid;
	if (pid > 0 && !failed)
		return HF_OK;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	else
		hf_fail_errno_as(err, HF_OS, "cannot make a process for '%s'", command->argv[0]);
	sigprocmask(SIG_SETMASK, &child->old_mask, NULL);
	return pid > 0 ? cannot_run(command->argv[0], failed, err) : HF_OS;
}

/* Let a blocked signal take effect. */
static void raise_blocked(int signo)
{
	sigset_t one, old;

	sigemptyset(&one);
	sigaddset(&one, signo);
	raise(signo);
	sigprocmask(SIG_UNBLOCK, &one, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static bool is_stop(int signo)
{
	return signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU;
}

/* Return true for signals that a terminal sends to a whole process group. */
static bool is_terminal(int signo)
{
	return is_stop(signo) || signo == SIGINT || signo == SIGQUIT || signo == SIGHUP ||
	       signo == SIGWINCH || signo == SIGCONT;
}

static bool asks_to_end(int signo)
{
	return signo == SIGHUP || signo == SIGINT || signo == SIGQUIT || signo == SIGTERM;
}

bool hf_signal_is_ignored(int signo)
{
	struct sigaction action;

	return sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static bool is_running(const struct hf_child *child)
{
	return child->wait_status == RUNNING;
}

static void reap_children(struct hf_child *child)
{
	pid_t pid, which = getpid() == 1 ? -1 : child->pid;
	int status;

	while ((pid = waitpid(which, &status, WNOHANG)) > 0)
		if (pid == child->pid)
			child->wait_status = status;
	/* another function has waited for it, or it cannot be waited for */
	if (pid < 0 && errno != EINTR && is_running(child))
		child->wait_status = HF_BUG << 8;
}

static void handle_signal(struct hf_child *child, const struct event *e)
{
	bool sent = e->code <= 0 && e->from != getpid(); /* SI_USER, SI_QUEUE, SI_TKILL */
	bool our_write = e->signo == SIGXFSZ && !sent;

	if (e->signo == SIGCHLD) {
		if (is_running(child))
			reap_children(child);
	} else if (!is_running(child)) {
		raise_blocked(e->signo);
	} else {
		/* a blocked signal arrives even if it is ignored (nohup) */
		bool ignored = hf_signal_is_ignored(e->signo);

		if (!ignored && asks_to_end(e->signo))
			child->asked = e->signo;
		if (!ignored && !our_write && (sent || !is_terminal(e->signo))) {
			if (e->code == SI_QUEUE)
				sigqueue(child->pid, e->signo, e->value);
			else
				kill(child->pid, e->signo);
		}
		if (is_stop(e->signo))
			raise_blocked(e->signo);
	}
}

/* Wait for a signal; return false when fd (-1: none) is readable. Without a signalfd, signals wait
 * for fd's end. */
static bool next_event(const sigset_t *set, int signals, int fd, struct event *e)
{
	struct pollfd polled[] = {{.fd = signals, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	struct signalfd_siginfo from_fd;
	siginfo_t info;

	while (fd < 0) {
		if (sigwaitinfo(set, &info) < 0)
			continue;
		*e = (struct event){info.si_signo, info.si_code, info.si_pid, info.si_value};
		return true;
	}
	while (signals >= 0) {
		if (poll(polled, 2, -1) < 0)
			continue;
		if (read(signals, &from_fd, sizeof(from_fd)) == sizeof(from_fd)) {
			*e = (struct event){(int)from_fd.ssi_signo,
					    from_fd.ssi_code,
					    (pid_t)from_fd.ssi_pid,
					    {.sival_ptr = (void *)(uintptr_t)from_fd.ssi_ptr}};
			return true;
		}
		if (polled[1].revents)
			break;
	}
	return false;
}

enum hf_status hf_supervise(struct hf_child *child, const struct hf_io *io, struct hf_err *err)
{
	enum hf_status status = io ? HF_OK : HF_NO;
	struct event event;
	sigset_t set;
	int signals = -1;

	forwardable(&set);
	if (io)
		signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	while (is_running(child) || (status == HF_OK && !io->ends_with_command)) {
		if (next_event(&set, signals, status == HF_OK ? io->fd : -1, &event))
			handle_signal(child, &event);
		else
			status = io->ready(io->context, err);
	}
	if (signals >= 0)
		close(signals);
	sigprocmask(SIG_SETMASK, &child->old_mask, NULL);
	return status == HF_NO ? HF_OK : status; /* HF_OK: not at its end */
}

int hf_exit_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

void hf_exit_as(int wait_status)
{
	fflush(NULL);
	if (WIFSIGNALED(wait_status) && getpid() != 1) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		prctl(PR_SET_DUMPABLE, 0); /* a core pattern with a pipe ignores the limit */
		signal(WTERMSIG(wait_status), SIG_DFL);
		raise_blocked(WTERMSIG(wait_status));
	}
	_exit(hf_exit_status(wait_status));
}
