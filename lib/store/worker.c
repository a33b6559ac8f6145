/* SPDX-License-Identifier: ISC */
#include "store/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <holdfast/clock.h>
#include "base/copy.h"
#include "base/spawn.h"
#include "base/sys.h"

/* limit of a renewal's wait for the database, which delays the passing on of signals */
enum { RENEW_WAIT_MS = 1000 };

static const int endings[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
enum { ENDINGS = sizeof(endings) / sizeof(endings[0]) };

/* Between a claim's commit and the end of the job a signal is only noted (store/W3). */
static volatile sig_atomic_t noted;

static void note_signal(int signo)
{
	noted = signo;
}

static void set_endings(void (*from)(int), void (*to)(int))
{
	struct sigaction old, action = {.sa_handler = to, .sa_flags = SA_RESTART};

	for (int i = 0; i < ENDINGS; i++)
		if (sigaction(endings[i], NULL, &old) == 0 && old.sa_handler == from)
			sigaction(endings[i], &action, NULL);
}

static void note_endings(void)
{
	set_endings(SIG_DFL, note_signal);
}

/* A job whose command runs. */
struct run {
	struct hf_store *store;
	struct hf_work *work;
	struct hf_job *job;
	struct hf_child child;
	struct hf_io renewals;
	bool lost;
};

/* Renew the lease when the timer expires; terminate the command if the lease is lost (store/W2). */
static enum hf_status renew_lease(void *context, struct hf_err *err)
{
	struct run *run = context;
	uint64_t times;
	struct hf_err why;
	enum hf_status status;

	(void)err;
	if (read(run->renewals.fd, &times, sizeof(times)) != sizeof(times))
		return HF_OK;
	hf_store_wait(run->store, RENEW_WAIT_MS * HF_MS);
	status = hf_queue_renew(run->store, run->job->id, run->job->token, run->work->ttl, &why);
	if (status == HF_OK)
		run->job->due = hf_store_expiry(hf_store_now(), run->work->ttl);
	if (status == HF_OK || (status != HF_NO && hf_store_now() < run->job->due))
		return HF_OK; /* try again later */
	run->lost = true;
	kill(run->child.pid, SIGTERM);
	return HF_NO;
}

/* Return a timer of a third of the ttl; -1: none. */
static int make_timer(int64_t ttl)
{
	int64_t third = ttl / 3 < HF_MS ? HF_MS : ttl / 3;
	struct timespec ts = {.tv_sec = third / HF_SECOND, .tv_nsec = third % HF_SECOND};
	struct itimerspec timer = {.it_interval = ts, .it_value = ts};
	/* a lease expires also while the machine sleeps */
	int fd = ttl == HF_NEVER ? -1 : timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &timer, NULL);
	return fd;
}

/* Open a file with the payload, at its beginning. */
static enum hf_status make_input(const struct hf_job *job, int *fd, struct hf_err *err)
{
	enum hf_status status;

	*fd = memfd_create("payload", MFD_CLOEXEC);
	if (*fd < 0)
		return hf_fail_errno(err, "cannot pass on the payload of job %lld",
				     (long long)job->id);
	status = hf_pwrite_all(*fd, job->payload.data, job->payload.size, 0, "the payload", err);
	if (status != HF_OK)
		sys_close(*fd);
	return status;
}

static enum hf_status set_environment(const struct hf_job *job, struct hf_err *err)
{
	char id[24], token[24];

	snprintf(id, sizeof(id), "%lld", (long long)job->id);
	snprintf(token, sizeof(token), "%lld", (long long)job->token);
	if (setenv("HOLDFAST_JOB", id, 1) == 0 && setenv("HOLDFAST_TOKEN", token, 1) == 0)
		return HF_OK;
	return hf_fail_errno(err, "cannot set HOLDFAST_JOB");
}

static enum hf_status run_command(struct run *run, struct hf_err *err)
{
	struct hf_command command = {.argv = run->work->command, .out = -1};
	enum hf_status status = set_environment(run->job, err);
	int timer;

	if (status == HF_OK)
		status = make_input(run->job, &command.in, err);
	if (status != HF_OK)
		return status;
	timer = make_timer(run->work->ttl);
	run->renewals = (struct hf_io){
		.fd = timer, .ready = renew_lease, .context = run, .ends_with_command = true};
	status = hf_spawn(&run->child, &command, err);
	if (status == HF_OK)
		status = hf_supervise(&run->child, timer >= 0 ? &run->renewals : NULL, err);
	sys_close(command.in);
	hf_close(timer);
	return status;
}

/* Report the result of the job to the database. */
static enum hf_status finish_job(struct run *run, struct hf_err *err)
{
	struct hf_job *job = run->job;
	bool good = run->child.wait_status == 0, asked = !good && run->work->asked;
	enum hf_worker_result end = good ? HF_WORK_DONE : asked ? HF_WORK_ASKED : HF_WORK_FAILED;
	enum hf_status status = HF_NO;

	hf_store_wait(run->store, run->work->timeout);
	if (!run->lost && good)
		status = hf_queue_done(run->store, job->id, job->token, err);
	else if (!run->lost)
		status = hf_queue_release(run->store, job->id, job->token,
					  asked ? 0 : run->work->delay, asked, err);
	if (status == HF_NO)
		end = HF_WORK_LOST;
	else if (end == HF_WORK_FAILED && job->most && job->attempts >= job->most)
		end = HF_WORK_DEAD;
	if (status != HF_OK && status != HF_NO) {
		hf_advise(err, "job %lld is claimed until its lease expires", (long long)job->id);
		if (!good)
			return status;
		hf_advise(err, "its command has succeeded, but it will run again");
		return err->status = HF_UNCERTAIN;
	}
	if (end == HF_WORK_DONE)
		run->work->done++;
	else
		run->work->failed++;
	if (run->work->tell)
		run->work->tell(run->work->context, job, end, run->child.wait_status);
	return HF_OK;
}

static enum hf_status work_on(struct hf_store *store, struct hf_work *w, struct hf_job *job,
			      struct hf_err *err)
{
	struct run run = {.store = store, .work = w, .job = job};
	enum hf_status status = noted ? HF_BUSY : run_command(&run, err);

	w->asked = noted;
	if (status == HF_OK && run.child.asked)
		w->asked = run.child.asked;
	if (status == HF_OK)
		return finish_job(&run, err);
	/* not begun */
	hf_store_wait(store, w->timeout);
	hf_queue_release(store, job->id, job->token, 0, true, NULL);
	return noted ? HF_OK : status;
}

enum hf_status hf_work(struct hf_store *store, struct hf_work *w, struct hf_err *err)
{
	enum hf_status status = HF_OK;
	struct hf_job job;

	w->done = w->failed = 0;
	w->asked = 0;
	while (status == HF_OK && !w->asked) {
		noted = 0;
		hf_store_wait(store, w->timeout);
		store->begun = note_endings;
		status = hf_queue_claim(store, &w->queue, w->holder, w->ttl, &job, err);
		store->begun = NULL;
		if (status == HF_OK) {
			status = work_on(store, w, &job, err);
			hf_job_free(&job);
		}
		set_endings(note_signal, SIG_DFL);
		w->asked = w->asked ? w->asked : noted;
		if (status == HF_NO && !w->asked && w->wait) {
			hf_store_wait(store, w->timeout);
			status = hf_queue_wait(store, &w->queue, hf_deadline_in(w->wait), err);
		}
	}
	return status == HF_NO ? HF_OK : status;
}

/* Send the signal to the processes that still run. */
static void signal_workers(const pid_t *pids, int count, int signo)
{
	for (int i = 0; i < count; i++)
		if (pids[i] > 0)
			kill(pids[i], signo);
}

static int reap_workers(pid_t *pids, int count, int *worst)
{
	int status, ended = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < count; i++) {
			if (pids[i] != pid)
				continue;
			pids[i] = 0;
			ended++;
			if (!*worst)
				*worst = hf_exit_status(status);
		}
	}
	return ended;
}

/* Wait until the last process has exited. */
static void wait_for_workers(pid_t *pids, int count, int running, const sigset_t *set, int *worst,
			     int *asked)
{
	while (running > 0) {
		siginfo_t info;
		int signo = sigwaitinfo(set, &info);

		if (signo == SIGCHLD) {
			running -= reap_workers(pids, count, worst);
		} else if (signo == SIGTSTP || signo == SIGTTIN || signo == SIGTTOU) {
			raise(SIGSTOP);
		} else if (signo > 0 && !hf_signal_is_ignored(signo)) {
			for (int i = 0; i < ENDINGS; i++)
				if (signo == endings[i])
					*asked = signo;
			if (info.si_code <= 0) /* sent by a process, not by the terminal */
				signal_workers(pids, count, signo);
		}
	}
}

enum hf_status hf_workers(int count, int (*body)(void *context), void *context, int *worst,
			  int *asked, struct hf_err *err)
{
	static const int awaited[] = {SIGHUP,  SIGINT,	SIGQUIT, SIGTERM, SIGCHLD,
				      SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT};
	pid_t *pids = calloc((size_t)count, sizeof(*pids));
	sigset_t set, old;
	int running = 0;

	*worst = *asked = 0;
	if (!pids)
		return hf_fail_errno(err, "cannot start %d workers", count);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(awaited) / sizeof(awaited[0]); i++)
		sigaddset(&set, awaited[i]);
	sigprocmask(SIG_BLOCK, &set, &old);
	fflush(NULL);
	for (int i = 0; i < count; i++, running++) {
		pids[i] = fork();
		if (pids[i] < 0)
			break;
		if (pids[i] == 0) {
			sigprocmask(SIG_SETMASK, &old, NULL);
			_exit(body(context));
		}
	}
	if (running)
		wait_for_workers(pids, count, running, &set, worst, asked);
	sigprocmask(SIG_SETMASK, &old, NULL);
	free(pids);
	return running ? HF_OK : hf_fail_errno(err, "cannot start %d workers", count);
}
