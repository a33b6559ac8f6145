/* SPDX-License-Identifier: ISC */
#include "cli/flock_cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "cli/flock_options.h"
#include <holdfast/clock.h>
#include <holdfast/err.h>

/* Open the lock file as flock(1) does, as descriptor 3 or higher. */
static int open_flock_file(const char *path, int access)
{
	int low, fd = sys_openat(AT_FDCWD, path, access | O_NOCTTY | O_CREAT, 0666);

	if (fd < 0 && errno == EISDIR)
		fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
	if (fd >= 0 && fd < 3) {
		low = fd;
		fd = fcntl(low, F_DUPFD, 3);
		close(low);
	}
	if (fd >= 0)
		return fd;
	hf_flock_fail(errno == ENOMEM || errno == EMFILE || errno == ENFILE ? HF_OS
		      : errno == EROFS || errno == ENOSPC		    ? HF_CANTCREAT
									    : HF_NOINPUT,
		      errno, "cannot open lock file %s", path);
}

static volatile sig_atomic_t expired;

/* Only the timer's own signal counts. */
static void note_expiry(int signo, siginfo_t *info, void *context)
{
	(void)signo;
	(void)context;
	if (info->si_code == SI_KERNEL)
		expired = 1;
}

/* Lock; the timer, which repeats, can interrupt it. */
static int lock_once(const struct hf_flock_request *r)
{
	struct flock range = {
		.l_type = r->operation == LOCK_EX   ? F_WRLCK
			  : r->operation == LOCK_SH ? F_RDLCK
						    : F_UNLCK,
		.l_whence = SEEK_SET,
		.l_start = r->start,
		.l_len = r->length,
	};

	if (r->fcntl)
		return sys_fcntl_lock(r->fd, r->nonblock ? F_OFD_SETLK : F_OFD_SETLKW, &range);
	return sys_flock(r->fd, r->operation | (r->nonblock ? LOCK_NB : 0));
}

/* Return 0, or an errno; ETIMEDOUT at the end of the time. */
static int lock_until_expired(const struct hf_flock_request *r)
{
	while (lock_once(r) < 0) {
		if (errno != EINTR)
			return errno == EACCES ? EAGAIN : errno;
		if (expired)
			return ETIMEDOUT;
	}
	return 0;
}

static int lock_timed(const struct hf_flock_request *r)
{
	const struct itimerval timer = {.it_interval.tv_usec = 10000, .it_value = r->timeout};
	struct sigaction old, action = {.sa_sigaction = note_expiry, .sa_flags = SA_SIGINFO};
	sigset_t alarm, mask;
	int errnum;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigaction(SIGALRM, &action, &old);
	sigprocmask(SIG_UNBLOCK, &alarm, &mask);
	if (setitimer(ITIMER_REAL, &timer, NULL) < 0)
		hf_flock_fail(HF_OS, errno, "cannot set up timer");
	errnum = lock_until_expired(r);
	setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_sec = 0}, NULL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGALRM, &old, NULL);
	return errnum;
}

static void take_lock(struct hf_flock_request *r)
{
	int errnum = r->timed ? lock_timed(r) : lock_until_expired(r);

	/* NFS needs a descriptor open for writing */
	if ((errnum == EIO || errnum == EBADF) && r->operation != LOCK_SH && r->file &&
	    access(r->file, R_OK | W_OK) == 0) {
		close(r->fd);
		r->fd = open_flock_file(r->file, O_RDWR);
		errnum = r->timed ? lock_timed(r) : lock_until_expired(r);
	}
	if (!errnum)
		return;
	if (errnum == EAGAIN || errnum == ETIMEDOUT) {
		if (r->verbose)
			hf_flock_fail(r->conflict, 0, "%s",
				      errnum == EAGAIN ? "failed to get lock"
						       : "timeout while waiting to get lock");
		exit(hf_flock_finish(r->conflict));
	}
	if (r->file)
		hf_flock_fail(errnum == ENOLCK || errnum == ENOMEM ? HF_OS : HF_DATA, errnum, "%s",
			      r->file);
	hf_flock_fail(errnum == ENOLCK || errnum == ENOMEM ? HF_OS : HF_DATA, errnum, "%d", r->fd);
}

/* Run the command without handling signals, as flock(1) does. */
static int run_flock_command(const struct hf_flock_request *r)
{
	struct hf_command command = {.argv = r->command, .in = -1, .out = -1};
	struct hf_child child;
	enum hf_status spawned;
	struct hf_err err;
	int status;

	signal(SIGCHLD, SIG_DFL);
	if (r->no_fork) {
		hf_exec(r->command);
		hf_flock_fail(errno == ENOMEM ? HF_OS : HF_UNAVAILABLE, errno,
			      "failed to execute %s", r->command[0]);
	}
	if (r->close)
		fcntl(r->fd, F_SETFD, FD_CLOEXEC);
	spawned = hf_spawn(&child, &command, &err);
	if (spawned == HF_OS)
		hf_flock_fail(HF_OS, err.errnum, "fork failed");
	if (spawned != HF_OK)
		hf_flock_fail(err.errnum == ENOMEM ? HF_OS : HF_UNAVAILABLE, err.errnum,
			      "failed to execute %s", r->command[0]);
	sigprocmask(SIG_SETMASK, &child.old_mask, NULL);
	while (waitpid(child.pid, &status, 0) < 0) {
		if (errno == EINTR)
			continue;
		fputs("flock: waitpid failed\n", stderr);
		return EXIT_FAILURE;
	}
	return hf_exit_status(status);
}

bool hf_flock_is_name(const char *name)
{
	const char *slash = name ? strrchr(name, '/') : NULL;

	return name && strcmp(slash ? slash + 1 : name, "flock") == 0;
}

int hf_flock_main(int argc, char **argv)
{
	struct hf_flock_request r;
	int64_t start, took;

	hf_flock_parse(&r, argc, argv);
	/* in a file, the command's output comes first; musl would write a line now */
	if (r.verbose && !isatty(STDOUT_FILENO))
		setvbuf(stdout, NULL, _IOFBF, BUFSIZ);
	if (r.file)
		r.fd = open_flock_file(r.file,
				       r.fcntl && r.operation == LOCK_EX ? O_WRONLY : O_RDONLY);
	if (r.timed && r.timeout.tv_sec == 0 && r.timeout.tv_usec == 0) {
		r.timed = false;
		r.nonblock = true;
	}
	start = r.verbose ? hf_now() : 0;
	take_lock(&r);
	if (r.verbose) {
		took = (hf_now() - start) / 1000;
		printf("flock: getting lock took %lld.%06lld seconds\n",
		       (long long)(took / 1000000), (long long)(took % 1000000));
	}
	if (!r.command)
		return hf_flock_finish(HF_OK);
	if (r.verbose)
		printf("flock: executing %s\n", r.command[0]);
	return hf_flock_finish(run_flock_command(&r));
}
