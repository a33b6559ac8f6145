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

#include "wait/deadlock.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include "wait/interrupt.h"
#include "wait/wait_check.h"
#include "base/sys.h"
#include "probe/proc_locks.h"

enum {
	FIRST_LOOK_MS = 25,
	FAMILY_LOOK_MS = 250,
	LOOK_MS = 1000,
	MAX_MS = 10000,
	STACK = 256 * 1024,
};

/*
 * State shared by the waiting and the watching thread; the last one frees it. The watching thread
 * is detached and is not waited for. If the lock is acquired within the first 25 ms, it is not even
 * woken, since that would take longer than many commands hold a lock; later it may be in a check.
 * Therefore it has copies of everything, and gives notices only under the mutex.
 */
struct watch {
	struct hf_wait wait;
	struct hf_wait_check look; /* of the watching thread */

	struct hf_interrupt kick; /* over: the wait must end, and err says why */
	int users;
	int looks;
	bool told; /* the notice has been given */
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

/* With the mutex: give the notice of the wait. */
static void give_notice(struct watch *w, pid_t holder)
{
	char who[512], raw[1024], line[1024];

	snprintf(raw, sizeof(raw), "waiting for '%s', held by %s", w->path,
		 hf_proc_describe(who, sizeof(who), holder));
	hf_escape(line, sizeof(line), raw);
	w->wait.notice(w->wait.context, line);
}

/* Check once, with the mutex, which is released in between. Return true if the wait is over. *next
 * is the time of the next check. */
static bool check_once(struct watch *w, int64_t *next)
{
	int64_t waited = hf_now() - w->look.start, pause = waited / 4;
	bool wanted = waited >= LOOK_MS * HF_MS && !w->told && w->wait.notice, again, over;
	struct hf_wait_findings found;
	pid_t holder = 0;

	pthread_mutex_unlock(&w->kick.mutex);
	if (w->looks == 0)
		prctl(PR_SET_NAME, HF_WATCH_NAME);
	if (wanted)
		holder = hf_lock_holder(w->look.fd);
	again = hf_wait_check(&w->look, &found);
	pthread_mutex_lock(&w->kick.mutex);
	over = !w->kick.left && hf_wait_must_end(&w->look, &found, &w->err);
	if (wanted && !w->kick.left && !over)
		give_notice(w, holder);
	hf_wait_check_free(&found);
	w->told |= wanted;
	w->looks++;
	pause = pause < LOOK_MS * HF_MS ? LOOK_MS * HF_MS : pause;
	if (!w->look.count)
		*next = w->look.start + FAMILY_LOOK_MS * HF_MS;
	else if (w->look.count == 1)
		*next = w->look.start + LOOK_MS * HF_MS;
	else
		*next = again ? hf_now() + (pause < MAX_MS * HF_MS ? pause : MAX_MS * HF_MS)
			      : HF_NEVER;
	return over;
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

static int64_t earliest(int64_t a, int64_t b, int64_t c)
{
	int64_t first = a < b ? a : b;

	return first < c ? first : c;
}

static void *watch(void *arg)
{
	struct watch *w = arg;
	int64_t next = w->look.start + FIRST_LOOK_MS * HF_MS, deadline = w->wait.deadline;
	int64_t moot = w->wait.is_moot ? w->look.start + LOOK_MS * HF_MS : HF_NEVER;
	bool over = false;

	pthread_mutex_lock(&w->kick.mutex);
	while (!w->kick.left && !over) {
		hf_interrupt_sleep(&w->kick, earliest(next, deadline, moot));
		if (w->kick.left)
			break;
		if (hf_time_left(deadline) == 0) {
			w->err.status = HF_BUSY; /* the waiting thread writes the message */
			over = true;
		} else if (hf_now() >= moot) {
			/* with the mutex: the context is the waiting thread's */
			w->err.status = HF_BUSY;
			over = w->wait.is_moot(w->wait.context);
			moot = hf_now() + LOOK_MS * HF_MS;
		} else if (hf_now() >= next) {
			over = check_once(w, &next);
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
		.look = {.fd = fd,
			 .exclusive = mode == HF_LOCK_EXCLUSIVE,
			 .nested = getenv(HF_FD_ENV),
			 .for_ever = wait->deadline == HF_NEVER,
			 .forbid = wait->forbid,
			 .borrows = wait->borrows,
			 .start = hf_now()},
		.users = 2,
	};
	w->look.path = strcpy(w->path, path);
	hf_interrupt_init(&w->kick);
	return w;
}

/* End the waiting thread's use of w. *why is set if the wait was to end. */
static void stop_watch(struct watch *w, struct hf_err *why)
{
	pthread_mutex_lock(&w->kick.mutex);
	w->kick.left = true;
	if (w->looks)
		pthread_cond_signal(&w->kick.wake);
	if (atomic_load(&w->kick.over))
		*why = w->err;
	drop_reference(w);
}

/* Block in flock(2). HF_BUSY: the watching thread ended the wait. HF_OS: flock(2) failed with
 * errno. */
static enum hf_status block_in_flock(struct watch *w)
{
	int operation = w->look.exclusive ? LOCK_EX : LOCK_SH, result;

	do
		result = sys_flock(w->look.fd, operation);
	while (result < 0 && errno == EINTR && !atomic_load(&w->kick.over) &&
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
	struct watch *w;
	struct hf_err why;

	if (!wait->tried) {
		if (sys_flock(fd, (mode == HF_LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
			return HF_OK;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return hf_fail_errno(err, "cannot lock '%s'", path);
	}
	if (hf_time_left(wait->deadline) == 0)
		return fail_busy(fd, path, wait, err);
	why.status = HF_BUSY;
	why.message[0] = '\0';
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
