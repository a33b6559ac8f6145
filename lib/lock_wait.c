/* SPDX-License-Identifier: ISC */
#include "lock_wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "circle.h"
#include "clock.h"
#include "fd.h"
#include "sys.h"
#include "waitfor.h"

enum {
	FIRST_LOOK_MS = 25,
	LOOK_MS = 1000,
	KICK_MS = 1,
	STACK = 256 * 1024,
};

/* What the waiting thread and the watching one share. */
struct watch {
	int fd;
	enum hf_lock_mode mode;
	const char *path;
	const struct hf_wait *wait;
	int64_t start;
	pthread_t waiter, watcher;

	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool left; /* the waiting thread is out of flock(2); under the mutex */

	atomic_bool verdict; /* it is to give up; err says why */
	struct hf_err err;
};

/* The limit as the user wrote it: the deadline was made some microseconds before the wait. */
static char *limit(char *out, size_t size, int64_t ns)
{
	int64_t unit = ns < HF_SECOND ? HF_MS : 10 * HF_MS;

	return hf_format_duration(out, size, (ns + unit - 1) / unit * unit);
}

/* start is 0 when nothing was waited for. */
static enum hf_status busy(int fd, const char *path, const struct hf_wait *wait, int64_t start,
			   struct hf_err *err)
{
	char who[512], within[64] = "", duration[32];
	pid_t pid;

	if (!err)
		return HF_BUSY;
	pid = hf_lock_holder(fd);
	if (start)
		snprintf(within, sizeof(within), " within %s",
			 limit(duration, sizeof(duration), wait->deadline - start));
	hf_fail(err, HF_BUSY, "cannot lock '%s'%s: held by %s", path, within,
		hf_proc_describe(who, sizeof(who), pid));
	if (pid)
		hf_advise(err, "wait longer with -w, or see what PID %d does", (int)pid);
	else
		hf_advise(err, "wait longer with -w");
	return HF_BUSY;
}

static void refuse_family(struct watch *w, const struct hf_lock_owner *owner)
{
	char who[512];

	if (owner->pid == getpid())
		hf_fail(&w->err, HF_USAGE,
			"cannot lock '%s': this command holds it already, by descriptor %d",
			w->path, owner->fd);
	else
		hf_fail(&w->err, HF_USAGE,
			"cannot lock '%s': it is held by this command's own ancestor, %s", w->path,
			hf_proc_describe(who, sizeof(who), owner->pid));
	hf_advise(&w->err,
		  "it would wait for itself: lock another file here, or give the lock back "
		  "before");
}

static void refuse_circle(struct watch *w, const char *text)
{
	hf_fail(&w->err, HF_BUSY, "cannot lock '%s': standing still: %s", w->path, text);
	hf_advise(&w->err,
		  "this command gives up, being the youngest in the circle; it can be tried "
		  "again");
	hf_advise(&w->err, "take all the locks by one lock-run, which orders them");
}

static void refuse_blind(struct watch *w)
{
	hf_fail(&w->err, HF_UNAVAILABLE,
		"cannot wait for '%s' for ever: /proc is not mounted, and the lock may be held by "
		"this "
		"command's own ancestor",
		w->path);
	hf_advise(&w->err, "mount /proc, or limit the wait with -w");
}

/* A look at the records. true: the wait is to end, and w->err says why. *again: later looks can
 * find more. */
static bool look(struct watch *w, bool first, bool *again)
{
	struct hf_lock_records records = {NULL, 0};
	const struct hf_lock_owner *owner;
	struct hf_lock_family family;
	struct hf_lock_id id;
	char text[900];
	bool over = false, exclusive = w->mode == HF_LOCK_EXCLUSIVE;

	if (!hf_lock_id_of(w->fd, &id) || !hf_lock_family_read(&family, getpid(), NULL)) {
		*again = false;
		over = w->wait->deadline == HF_NEVER && getenv(HF_FD_ENV) && !hf_proc_mounted();
		if (over)
			refuse_blind(w);
		return over;
	}
	if (!first && (family.count || family.hidden)) {
		hf_lock_family_free(&family);
		if (hf_lock_records_read(&records))
			hf_lock_family_read(&family, getpid(), &records);
	}
	*again = first || family.count;
	owner = hf_lock_family_owner(&family, &id, exclusive);
	if (owner) {
		refuse_family(w, owner);
		over = true;
	} else if (records.at &&
		   hf_circle_find(w->fd, &records, &family, text, sizeof(text)) == HF_CIRCLE_MINE) {
		refuse_circle(w, text);
		over = true;
	}
	hf_lock_family_free(&family);
	hf_lock_records_free(&records);
	return over;
}

static void notify(const struct watch *w)
{
	char who[512], raw[1024], line[1024];

	snprintf(raw, sizeof(raw), "waiting for '%s', held by %s", w->path,
		 hf_proc_describe(who, sizeof(who), hf_lock_holder(w->fd)));
	hf_escape(line, sizeof(line), raw);
	w->wait->notice(w->wait->context, line);
}

/* Sleep, with the mutex, until that instant or until the waiting thread has left. */
static void sleep_until(struct watch *w, int64_t until)
{
	struct timespec ts = {.tv_sec = until / HF_SECOND, .tv_nsec = until % HF_SECOND};

	if (until == HF_NEVER)
		pthread_cond_wait(&w->wake, &w->mutex);
	else
		pthread_cond_timedwait(&w->wake, &w->mutex, &ts);
}

static void ignore(int signo)
{
	(void)signo;
}

/* Get the waiting thread out of flock(2). The signal may come before it is in it: again, then. */
static void kick(struct watch *w)
{
	struct sigaction old, act = {.sa_handler = ignore};

	sigaction(HF_WAIT_SIGNAL, NULL, &old);
	if (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN)
		sigaction(HF_WAIT_SIGNAL, &act, NULL);
	atomic_store(&w->verdict, true);
	while (!w->left) {
		pthread_kill(w->waiter, HF_WAIT_SIGNAL);
		sleep_until(w, hf_now() + KICK_MS * HF_MS);
	}
}

/* What is to be done at the n-th look. true: the wait is over. */
static bool look_again(struct watch *w, int n, bool *again)
{
	if (n == 1 && w->wait->notice)
		notify(w);
	return *again && look(w, n == 0, again);
}

static void *watch(void *arg)
{
	struct watch *w = arg;
	int64_t next = w->start + FIRST_LOOK_MS * HF_MS, deadline = w->wait->deadline;
	bool again = true, over = false;
	int n = 0;

	prctl(PR_SET_NAME, HF_WATCH_NAME);
	pthread_mutex_lock(&w->mutex);
	while (!w->left && !over) {
		sleep_until(w, next < deadline ? next : deadline);
		if (w->left)
			break;
		if (hf_until(deadline) == 0) {
			w->err.status = HF_BUSY; /* the waiting thread finds the words */
			over = true;
		} else if (hf_now() >= next) {
			pthread_mutex_unlock(&w->mutex);
			over = look_again(w, n++, &again);
			next = again || n == 1 ? w->start + n * HF_SECOND : HF_NEVER;
			pthread_mutex_lock(&w->mutex);
		}
	}
	if (over)
		kick(w);
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

/* Make the watching thread, which takes no signals. This one takes HF_WAIT_SIGNAL from here on;
 * *old is how it was. 0 or an error number. */
static int start_watch(struct watch *w, sigset_t *old)
{
	pthread_condattr_t clock;
	pthread_attr_t attr;
	sigset_t all;
	int error;

	w->waiter = pthread_self();
	pthread_mutex_init(&w->mutex, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
	error = pthread_create(&w->watcher, &attr, watch, w);
	all = *old;
	sigdelset(&all, HF_WAIT_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	pthread_attr_destroy(&attr);
	return error;
}

static void stop_watch(struct watch *w)
{
	pthread_mutex_lock(&w->mutex);
	w->left = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->watcher, NULL);
}

/* HF_BUSY: gave up, for the reason in w->err. HF_OS: flock(2) failed, errno tells. */
static enum hf_status block(struct watch *w)
{
	int operation = w->mode == HF_LOCK_SHARED ? LOCK_SH : LOCK_EX, result;

	do
		result = sys_flock(w->fd, operation);
	while (result < 0 && errno == EINTR && !atomic_load(&w->verdict));
	if (result == 0)
		return HF_OK;
	return errno == EINTR ? HF_BUSY : HF_OS;
}

static enum hf_status wait_watched(struct watch *w, struct hf_err *err)
{
	enum hf_status status;
	sigset_t old;
	int error = start_watch(w, &old);

	if (error) {
		errno = error;
		status = HF_OS;
	} else {
		status = block(w);
		error = errno;
		stop_watch(w);
		errno = error;
	}
	if (sigismember(&old, HF_WAIT_SIGNAL))
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->mutex);
	if (status == HF_OS)
		return hf_fail_errno(err, "cannot wait for '%s'", w->path);
	if (status == HF_BUSY && !w->err.message[0])
		return busy(w->fd, w->path, w->wait, w->start, err);
	if (status == HF_BUSY && err)
		*err = w->err;
	return status == HF_BUSY ? w->err.status : HF_OK;
}

enum hf_status hf_lock_wait(int fd, enum hf_lock_mode mode, const char *path,
			    const struct hf_wait *wait, struct hf_err *err)
{
	struct watch w = {.fd = fd, .mode = mode, .path = path, .wait = wait};

	if (sys_flock(fd, (mode == HF_LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return HF_OK;
	if (errno != EWOULDBLOCK && errno != EINTR)
		return hf_fail_errno(err, "cannot lock '%s'", path);
	if (hf_until(wait->deadline) == 0)
		return busy(fd, path, wait, 0, err);
	w.start = hf_now();
	return wait_watched(&w, err);
}
