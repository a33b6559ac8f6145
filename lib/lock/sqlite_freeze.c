/* SPDX-License-Identifier: ISC */
#include "lock/sqlite_freeze.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "lock/lock_kind.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include <holdfast/path.h>
#include <holdfast/proc.h>

#define HELPER "sqlite-run"

#define MIN_HELPER (2 * HF_SECOND)
#define MAX_HELPER (10 * HF_SECOND)

enum { PATIENCE_MS = 200 };

/* Find the helper beside our own program, or in PATH. */
static void find_helper(char path[PATH_MAX])
{
	ssize_t n = sys_readlinkat(AT_FDCWD, "/proc/self/exe", path, PATH_MAX - sizeof(HELPER) - 1);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		strcpy(slash + 1, HELPER);
		if (access(path, X_OK) == 0)
			return;
	}
	strcpy(path, HELPER);
}

/* Become the helper, in the child (lock/Z2, lock/Z4). */
_Noreturn static void exec_helper(const char *helper, const char *db, int in, int out)
{
	char *argv[] = {(char *)HELPER, (char *)"--hold", (char *)"--", (char *)db, NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0) {
		syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
		execvp(helper, argv);
	}
	_exit(127);
}

/* Wait until fd is readable. Return false at the deadline. */
static bool wait_readable(int fd, int64_t until)
{
	struct pollfd polled = {.fd = fd, .events = POLLIN};

	while (!hf_waits_are_cancelled()) {
		int64_t left = hf_time_left(until);
		int ready = left > 0 ? poll(&polled, 1, (int)(left / HF_MS) + 1) : -1;

		if (ready > 0)
			return true;
		if (left == 0 || (ready < 0 && errno != EINTR))
			break;
	}
	return false;
}

/* Read the helper's line, without the newline. HF_NO: end of file. HF_BUSY: nothing until the
 * deadline. */
static enum hf_status read_helper_line(int fd, char *line, size_t size, int64_t until)
{
	size_t used = 0;

	while (used < size - 1) {
		ssize_t n;

		if (!wait_readable(fd, until))
			return HF_BUSY;
		n = sys_read(fd, line + used, size - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
		if (memchr(line, '\n', used))
			break;
	}
	line[used] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return line[0] ? HF_OK : HF_NO;
}

static enum hf_status parse_answer(const char *line, const char *path, struct hf_err *err)
{
	char *message;
	long status;

	if (strcmp(line, "held") == 0)
		return HF_OK;
	status = strtol(line, &message, 10);
	if (status <= HF_OK || status > HF_NOPERM || *message != ' ')
		return hf_fail(err, HF_BUG, "cannot freeze '%s': sqlite-run says '%s'", path, line);
	return hf_fail(err, (enum hf_status)status, "cannot freeze '%s': %s", path, message + 1);
}

static enum hf_status fail_no_helper(const char *path, struct hf_err *err)
{
	hf_fail(err, HF_UNAVAILABLE, "cannot freeze '%s': there is no sqlite-run", path);
	hf_advise(err, "it takes SQLite's own lock; install it beside this program, or on PATH");
	return HF_UNAVAILABLE;
}

static enum hf_status fail_bad_helper(const char *path, pid_t pid, struct hf_err *err)
{
	hf_fail(err, HF_BUSY, "cannot freeze '%s': sqlite-run, PID %d, does not answer", path,
		(int)pid);
	hf_advise(err, "it was killed, and nothing is held: check whether it was stopped, or the "
		       "machine is overloaded");
	return HF_BUSY;
}

static int wait_for_helper(const struct hf_sqlite_freezer *freezer, siginfo_t *info, int how)
{
	return freezer->process >= 0 ? waitid(P_PIDFD, (id_t)freezer->process, info, WEXITED | how)
				     : waitid(P_PID, (id_t)freezer->pid, info, WEXITED | how);
}

bool hf_sqlite_freeze_lost(const struct hf_sqlite_freezer *freezer)
{
	siginfo_t info = {0};

	return freezer->pid > 0 && (wait_for_helper(freezer, &info, WNOHANG | WNOWAIT) < 0 ||
				    info.si_pid == freezer->pid);
}

static void reap_helper(const struct hf_sqlite_freezer *freezer)
{
	siginfo_t info;

	while (wait_for_helper(freezer, &info, 0) < 0 && errno == EINTR)
		;
}

/* Wait for the helper's exit after the pipe is closed. A child that the command left may keep the
 * pipe open; killing the helper is harmless then, since it has changed nothing. Return false if it
 * continues. */
static bool end_helper(const struct hf_sqlite_freezer *freezer, bool lent)
{
	struct pollfd end = {.fd = freezer->process, .events = POLLIN};
	bool ended = end.fd >= 0 && poll(&end, 1, PATIENCE_MS) > 0;

	if (!ended && !lent && end.fd >= 0)
		syscall(SYS_pidfd_send_signal, end.fd, SIGKILL, NULL, 0);
	else if (!ended && !lent && !hf_sqlite_freeze_lost(freezer))
		kill(freezer->pid, SIGKILL);
	return ended || !lent;
}

/* Kill the helper's session, or the helper alone if it has no session yet (lock/Z6). */
static void kill_session(pid_t pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

/* Return the deadline of the helper's answer (lock/Z6). */
static int64_t answer_deadline(int64_t deadline)
{
	int64_t min = hf_deadline_in(MIN_HELPER), max = hf_deadline_in(MAX_HELPER);

	return deadline < min ? min : deadline > max ? max : deadline;
}

/* Read and interpret the helper's answer. */
static enum hf_status read_answer(int fd, pid_t pid, const char *path, int64_t deadline,
				  struct hf_err *err)
{
	char line[1024];

	switch (read_helper_line(fd, line, sizeof(line), answer_deadline(deadline))) {
	case HF_OK:
		return parse_answer(line, path, err);
	case HF_BUSY:
		kill_session(pid);
		return fail_bad_helper(path, pid, err);
	default:
		return fail_no_helper(path, err);
	}
}

enum hf_status hf_sqlite_freeze_begin(struct hf_sqlite_freezer *freezer, const char *path,
				      int64_t deadline, struct hf_err *err)
{
	char helper[PATH_MAX];
	int in[2] = {-1, -1}, out[2];
	enum hf_status status;
	pid_t pid;

	*freezer = (struct hf_sqlite_freezer){.process = -1, .fd = -1};
	find_helper(helper);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
		status = hf_fail_errno(err, "cannot freeze '%s'", path);
		if (in[0] >= 0) {
			sys_close(in[0]);
			sys_close(in[1]);
		}
		return status;
	}
	hf_reset_sigchld();
	pid = fork();
	if (pid == 0)
		exec_helper(helper, path, in[0], out[1]);
	status = pid < 0 ? hf_fail_errno(err, "cannot freeze '%s'", path) : HF_OK;
	sys_close(in[0]);
	sys_close(out[1]);
	if (pid > 0)
		status = read_answer(out[0], pid, path, deadline, err);
	sys_close(out[0]);
	if (status == HF_OK) {
		int high = hf_fd_high(in[1]);

		*freezer = (struct hf_sqlite_freezer){
			.pid = pid, .process = pidfd_open(pid, 0), .fd = high < 0 ? in[1] : high};
		return HF_OK;
	}
	sys_close(in[1]);
	if (pid > 0)
		reap_helper(&(struct hf_sqlite_freezer){.pid = pid, .process = -1});
	return status;
}

void hf_sqlite_freeze_end(struct hf_sqlite_freezer *freezer, bool lent)
{
	int saved = errno;

	hf_close(freezer->fd);
	if (freezer->pid > 0 && end_helper(freezer, lent))
		reap_helper(freezer);
	hf_close(freezer->process);
	*freezer = (struct hf_sqlite_freezer){.process = -1, .fd = -1};
	errno = saved;
}

/* Check that the process is a helper by its arguments, and find the pipe that it reads. */
static bool read_helper(pid_t pid, struct stat *pipe)
{
	char path[40], words[sizeof(HELPER "\0--hold")] = "";
	struct hf_proc proc;
	ssize_t n;
	int fd;

	if (!hf_proc_read(pid, &proc) || strcmp(proc.name, HELPER) != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = sys_read(fd, words, sizeof(words));
	sys_close(fd);
	snprintf(path, sizeof(path), "/proc/%d/fd/0", (int)pid);
	return n == sizeof(words) && memcmp(words, HELPER "\0--hold", sizeof(words)) == 0 &&
	       stat(path, pipe) == 0 && S_ISFIFO(pipe->st_mode);
}

static bool is_writing_end(void *pipe, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && hf_same_inode(&st, pipe) &&
	       (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
}

/* Search all descriptors: HF_FD_ENV lists only those that hold a kernel lock. */
static bool has_inherited(struct stat *pipe)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir("/proc/self/fd");

	while (dir && !found && (entry = readdir(dir))) {
		int fd = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : -1;

		found = fd > STDERR_FILENO && is_writing_end(pipe, fd) &&
			!(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return found;
}

bool hf_sqlite_freeze_is_ours(struct hf_sqlite_freezer *freezer, pid_t pid, bool borrow)
{
	struct stat pipe;

	if (!read_helper(pid, &pipe))
		return false;
	if (has_inherited(&pipe))
		return true;
	if (borrow)
		freezer->fd = hf_lock_borrow_fd(&pipe, is_writing_end, &pipe);
	return freezer->fd >= 0;
}
