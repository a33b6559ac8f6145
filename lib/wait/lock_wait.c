/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_wait.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/sys.h"
#include "probe/proc_locks.h"
#include "wait/deadlock.h"
#include "wait/interrupt.h"
#include "wait/wait_check.h"
#include "wait/wait_notice.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>

enum { STACK = 256 * 1024 };

/* The checks of a wait, in the order in which they run at the same time. */
enum {
	ORDER = HF_WAIT_ORDER,
	SELF = HF_WAIT_SELF,
	DEADLOCK = HF_WAIT_DEADLOCK,
	NOTICE,
	MOOT,
	CHECKS
};

/*
 * State shared by the waiting and the watching thread; the last one frees it. The watching thread
 * is detached and is not waited for. If the lock is acquired within the first 25 ms, it is not even
 * woken, since that would take longer than many commands hold a lock; later it may be in a check.
 * Therefore it has copies of everything, and gives notices only under the mutex.
 */
struct watch {
	struct hf_wait wait;
	struct hf_wait_check state; /* of the watching thread */
	int64_t next[CHECKS];	    /* instants; HF_NEVER: not again */

	struct hf_interrupt kick; /* cancelled: the wait must end, and err says why */
	int users;
	bool awake; /* the watching thread has checked something */
	struct hf_err err;
	char path[];
};

char *hf_wait_within(char *out, size_t size, const struct hf_wait *wait)
{
	char limit[32];

	if (wait->deadline == HF_NOWAIT)
		snprintf(out, size, "%s", "");
	else if (wait->limit <= 0 || wait->limit == HF_NEVER)
		snprintf(out, size, " in time");
	else
		snprintf(out, size, " within %s",
			 hf_format_duration(limit, sizeof(limit), wait->limit));
	return out;
}

static enum hf_status fail_busy(int fd, const char *path, const struct hf_wait *wait,
				struct hf_err *err)
{
	char who[512], within[64];
	pid_t pid;

	if (!err)
		return HF_BUSY;
	pid = hf_lock_holder(fd);
	hf_fail(err, HF_BUSY, "cannot lock '%s'%s: held by %s%s", path,
		hf_wait_within(within, sizeof(within), wait),
		hf_proc_is_ancestor(pid) ? "this command's own ancestor, " : "",
		hf_proc_describe(who, sizeof(who), pid));
	if (pid)
		hf_advise(err, "wait longer with -w, or see what PID %d does", (int)pid);
	else
		hf_advise(err, "wait longer with -w");
	return HF_BUSY;
}

/* Check whether the wait can end. */
static bool check_wait(struct watch *w, int what)
{
	struct hf_wait_findings found;
	bool over;

	pthread_mutex_unlock(&w->kick.mutex);
	if (!hf_wait_check(&w->state, (enum hf_wait_what)what, &found) && what == DEADLOCK)
		w->next[DEADLOCK] = HF_NEVER;
	pthread_mutex_lock(&w->kick.mutex);
	over = !w->kick.returned && hf_wait_must_end(&w->state, &found, &w->err);
	hf_wait_check_free(&found);
	return over;
}

static bool give_notice(struct watch *w, int what)
{
	char who[512];
	pid_t holder;

	(void)what;
	pthread_mutex_unlock(&w->kick.mutex);
	holder = hf_lock_holder(w->state.fd);
	pthread_mutex_lock(&w->kick.mutex);
	if (!w->kick.returned)
		hf_wait_notice_say(&w->wait, "waiting for '%s', held by %s", w->path,
				   hf_proc_describe(who, sizeof(who), holder));
	return false;
}

/* With the mutex, since the context is the waiting thread's. */
static bool check_moot(struct watch *w, int what)
{
	(void)what;
	w->err.status = HF_BUSY;
	return w->wait.is_moot(w->wait.context);
}

/* README.md has the reasons. The pause after a check is a quarter of the wait so far, within min
 * and max. run() is called with the mutex, may release it in between, and returns true to end the
 * wait, with the reason in err. */
static const struct check {
	int64_t first, min, max;
	bool (*run)(struct watch *w, int what);
} checks[CHECKS] = {
	[ORDER] = {25 * HF_MS, HF_NEVER, HF_NEVER, check_wait},
	[SELF] = {250 * HF_MS, HF_NEVER, HF_NEVER, check_wait},
	[DEADLOCK] = {HF_SECOND, HF_SECOND, 10 * HF_SECOND, check_wait},
	[NOTICE] = {HF_SECOND, HF_NEVER, HF_NEVER, give_notice},
	[MOOT] = {HF_SECOND, HF_SECOND, HF_SECOND, check_moot},
};

static void plan_checks(struct watch *w)
{
	for (int i = 0; i < CHECKS; i++)
		w->next[i] = w->state.start + checks[i].first;
	if (w->state.nested) /* it may hold the lock itself */
		w->next[SELF] = w->next[ORDER];
	if (!w->wait.notice)
		w->next[NOTICE] = HF_NEVER;
	if (!w->wait.is_moot)
		w->next[MOOT] = HF_NEVER;
}

/* Run the check `what`, which is due. Return true if the wait must end. */
static bool run_check(struct watch *w, int what)
{
	const struct check *check = &checks[what];
	int64_t now = hf_now(), pause = (now - w->state.start) / 4;

	if (!w->awake)
		prctl(PR_SET_NAME, HF_WATCH_NAME);
	w->awake = true;
	pause = pause < check->max ? pause : check->max;
	pause = pause > check->min ? pause : check->min;
	w->next[what] = pause == HF_NEVER ? HF_NEVER : now + pause;
	return check->run(w, what);
}

/* Drop this thread's reference, with the mutex, which is released. */
static void drop_reference(struct watch *w)
{
	bool last = --w->users == 0;

	pthread_mutex_unlock(&w->kick.mutex);
	if (!last)
		return;
	hf_interrupt_destroy(&w->kick);
	free(w);
}

static void *watch(void *arg)
{
	struct watch *w = arg;
	bool over = false;

	pthread_mutex_lock(&w->kick.mutex);
	while (!w->kick.returned && !over) {
		int64_t deadline = w->wait.deadline;
		int due = 0;

		for (int i = 1; i < CHECKS; i++)
			if (w->next[i] < w->next[due])
				due = i;
		hf_interrupt_sleep(&w->kick, deadline < w->next[due] ? deadline : w->next[due]);
		if (w->kick.returned)
			break;
		if (hf_time_left(deadline) == 0) {
			w->err.status = HF_BUSY; /* the waiting thread writes the message */
			over = true;
		} else if (hf_now() >= w->next[due]) {
			over = run_check(w, due);
		}
	}
	if (over)
		hf_interrupt_thread(&w->kick, HF_WAIT_SIGNAL);
	drop_reference(w);
	return NULL;
}

/* Start the watching thread, which takes no signals; this thread takes HF_WAIT_SIGNAL from now on.
 * *old is its old mask. Return 0 or an error number. */
static int start_watch(struct watch *w, sigset_t *old)
{
	pthread_attr_t attr;
	pthread_t watcher;
	sigset_t set;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, old);
	error = pthread_create(&watcher, &attr, watch, w);
	set = *old;
	sigdelset(&set, HF_WAIT_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	pthread_attr_destroy(&attr);
	return error;
}

static struct watch *make_watch(int fd, enum hf_lock_mode mode, const char *path,
				const struct hf_wait *wait)
{
	struct watch *w = malloc(sizeof(*w) + strlen(path) + 1);

	if (!w)
		return NULL;
	*w = (struct watch){
		.wait = *wait,
		.state = {.fd = fd,
			  .exclusive = mode == HF_LOCK_EXCLUSIVE,
			  .nested = getenv(HF_FD_ENV),
			  .unlimited = wait->deadline == HF_NEVER,
			  .forbid = wait->forbid,
			  .borrows = wait->borrows,
			  .start = hf_now()},
		.users = 2,
	};
	w->state.path = strcpy(w->path, path);
	plan_checks(w);
	hf_interrupt_init(&w->kick);
	return w;
}

/* End the waiting thread's use of w. *why is set if the wait was to end. */
static void stop_watch(struct watch *w, struct hf_err *why)
{
	pthread_mutex_lock(&w->kick.mutex);
	w->kick.returned = true;
	if (w->awake)
		pthread_cond_signal(&w->kick.wake);
	if (atomic_load(&w->kick.cancelled))
		*why = w->err;
	drop_reference(w);
}

/* Block in flock(2). HF_BUSY: the watching thread ended the wait. HF_OS: flock(2) failed with
 * errno. */
static enum hf_status block_in_flock(struct watch *w)
{
	int operation = w->state.exclusive ? LOCK_EX : LOCK_SH, result;

	do
		result = sys_flock(w->state.fd, operation);
	while (result < 0 && errno == EINTR && !atomic_load(&w->kick.cancelled) &&
	       !hf_waits_are_cancelled());
	if (result == 0)
		return HF_OK;
	return errno == EINTR ? HF_BUSY : HF_OS;
}

/* The same, with a watching thread. HF_BUSY: *why is the reason, or has no message (the deadline
 * has passed). */
static enum hf_status block_watched(struct watch *w, struct hf_err *why)
{
	enum hf_status status = HF_OS;
	sigset_t old;
	int error = start_watch(w, &old);

	if (error) {
		w->users--;
		pthread_mutex_lock(&w->kick.mutex);
		drop_reference(w);
	} else {
		status = block_in_flock(w);
		error = errno;
		stop_watch(w, why);
	}
	if (sigismember(&old, HF_WAIT_SIGNAL))
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = error;
	return status;
}

enum hf_status hf_lock_wait(int fd, enum hf_lock_mode mode, const char *path,
			    const struct hf_wait *wait, struct hf_err *err)
{
	struct hf_err why = {.status = HF_BUSY};
	struct watch *w;

	if (!wait->tried) {
		if (sys_flock(fd, (mode == HF_LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
			return HF_OK;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return hf_fail_errno(err, "cannot lock '%s'", path);
	}
	if (hf_time_left(wait->deadline) == 0)
		return fail_busy(fd, path, wait, err);
	w = make_watch(fd, mode, path, wait);
	switch (w ? block_watched(w, &why) : HF_OS) {
	case HF_OK:
		return HF_OK;
	case HF_BUSY:
		if (why.status == HF_NO)
			return HF_NO;
		if (!why.message[0])
			return fail_busy(fd, path, wait, err);
		if (err)
			*err = why;
		return why.status;
	default:
		return hf_fail_errno(err, "cannot wait for '%s'", path);
	}
}
