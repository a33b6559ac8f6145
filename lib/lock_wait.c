/* SPDX-License-Identifier: ISC */
#include "lock_wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "circle.h"
#include "clock.h"
#include "family.h"
#include "fd.h"
#include "keeper_ask.h"
#include "kick.h"
#include "sys.h"
#include "waitfor.h"

enum {
	FIRST_LOOK_MS = 25,
	LOOK_MS = 1000,
	MOST_MS = 10000,
	STACK = 256 * 1024,
};

/*
 * What the waiting thread and the watching one share; the last of them frees it. The watching
 * thread is detached, and nobody stays for it: when the lock comes within the first 25 ms it is not
 * even woken, since that would take longer than many a command holds the lock, and later it may be
 * in the middle of a look. So it has copies of everything, and says nothing without the mutex.
 */
struct watch {
	int fd;
	enum hf_lock_mode mode;
	struct hf_wait wait;
	bool nested; /* this process inherits locks */
	int64_t start;

	struct hf_kick kick; /* over: it is to give up; err says why */
	int users;
	int looks;
	struct hf_err err;
	char path[];
};

/* What one look at the kernel's records has shown. */
struct findings {
	struct hf_lock_records records;
	struct hf_lock_family family;
	const struct hf_lock_owner *owner; /* in the family; it cannot end */
	bool circle;			   /* and it is for us to give up */
	struct hf_keeper_loan kept;	   /* for an ancestor that waits for us; or owner 0 */
	bool blind;
	pid_t holder;
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
	hf_fail(err, HF_BUSY, "cannot lock '%s'%s: held by %s%s", path, within,
		hf_proc_is_ancestor(pid) ? "this command's own ancestor, " : "",
		hf_proc_describe(who, sizeof(who), pid));
	if (pid)
		hf_advise(err, "wait longer with -w, or see what PID %d does", (int)pid);
	else
		hf_advise(err, "wait longer with -w");
	return HF_BUSY;
}

/* With the mutex, since the words may ask the environment for the time zone. */
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

static void refuse_kept(struct watch *w, const struct hf_keeper_loan *kept)
{
	char keeper[300], owner[300];

	hf_fail(&w->err, HF_USAGE,
		"cannot lock '%s': it is held by %s, for this command's own ancestor, %s", w->path,
		hf_circle_name(keeper, sizeof(keeper), kept->keeper),
		hf_circle_name(owner, sizeof(owner), kept->owner));
	hf_advise(&w->err, "lock another file here, or give the lock back before (lock-release)");
}

static void refuse_circle(struct watch *w, const struct findings *f)
{
	char text[900] = "";

	hf_circle_find(w->fd, &f->records, &f->family, text, sizeof(text));
	hf_fail(&w->err, HF_BUSY, "cannot lock '%s': standing still: %s", w->path, text);
	hf_advise(&w->err, "this command gives up, being the youngest in the circle; it can be "
			   "tried again");
	hf_advise(&w->err, "take all the locks by one lock-run, which orders them");
}

static void refuse_blind(struct watch *w)
{
	hf_fail(&w->err, HF_UNAVAILABLE,
		"cannot wait for '%s' for ever: /proc is not mounted, and the lock may be held by "
		"this command's own ancestor",
		w->path);
	hf_advise(&w->err, "mount /proc, or limit the wait with -w");
}

/* Does the family hold another lock, which others may wait for? */
static bool holds_other(const struct hf_lock_family *family, const struct hf_lock_id *id)
{
	for (size_t i = 0; i < family->count; i++)
		if (!hf_lock_id_equal(&family->at[i].record.id, id))
			return true;
	return false;
}

/* Without the mutex. true: later looks can find more. */
static bool look(const struct watch *w, struct findings *f)
{
	bool exclusive = w->mode == HF_LOCK_EXCLUSIVE;
	struct hf_lock_id id;
	struct stat st;

	*f = (struct findings){.holder = -1};
	if (w->looks == 1 && w->wait.notice)
		f->holder = hf_lock_holder(w->fd);
	if (!hf_lock_id_of(w->fd, &id) || !hf_lock_family_read(&f->family, getpid(), NULL)) {
		f->blind = w->wait.deadline == HF_NEVER && w->nested && !hf_proc_mounted();
		return false;
	}
	/* /proc/locks is dear where many wait: read only by who can be in a circle */
	if (w->looks > 0 && (f->family.hidden || holds_other(&f->family, &id)) &&
	    hf_lock_records_read(&f->records)) {
		hf_lock_family_free(&f->family);
		hf_lock_family_read(&f->family, getpid(), &f->records);
		f->circle =
			hf_circle_find(w->fd, &f->records, &f->family, NULL, 0) == HF_CIRCLE_MINE;
	}
	f->owner = hf_lock_family_stands(&f->family, &id, exclusive);
	if (!f->owner && fstat(w->fd, &st) == 0 && hf_keeper_find(&st, &f->kept) &&
	    !hf_lock_awaits_us(f->kept.owner))
		f->kept.owner = 0;
	return w->looks == 0 || f->family.count > 0;
}

/* With the mutex: say what was found. true: the wait is over. */
static bool report(struct watch *w, const struct findings *f)
{
	char who[512], raw[1024], line[1024];

	if (f->owner)
		refuse_family(w, f->owner);
	else if (f->kept.owner)
		refuse_kept(w, &f->kept);
	else if (f->circle)
		refuse_circle(w, f);
	else if (f->blind)
		refuse_blind(w);
	else if (f->holder >= 0) {
		snprintf(raw, sizeof(raw), "waiting for '%s', held by %s", w->path,
			 hf_proc_describe(who, sizeof(who), f->holder));
		hf_escape(line, sizeof(line), raw);
		w->wait.notice(w->wait.context, line);
	}
	return f->owner || f->kept.owner || f->circle || f->blind;
}

/* One look, with the mutex, which is given back meanwhile. true: the wait is over. *next is when to
 * look again. */
static bool look_once(struct watch *w, int64_t *next)
{
	int64_t pause = (hf_now() - w->start) / 4;
	struct findings f;
	bool over, again;

	pthread_mutex_unlock(&w->kick.mutex);
	if (w->looks == 0)
		prctl(PR_SET_NAME, HF_WATCH_NAME);
	again = look(w, &f);
	pthread_mutex_lock(&w->kick.mutex);
	over = !w->kick.left && report(w, &f);
	hf_lock_family_free(&f.family);
	hf_lock_records_free(&f.records);
	pause = pause < LOOK_MS * HF_MS ? LOOK_MS * HF_MS : pause;
	if (w->looks++ == 0)
		*next = w->start + LOOK_MS * HF_MS;
	else
		*next = again ? hf_now() + (pause < MOST_MS * HF_MS ? pause : MOST_MS * HF_MS)
			      : HF_NEVER;
	return over;
}

/* Leave it, with the mutex, which is given back. */
static void leave(struct watch *w)
{
	bool last = --w->users == 0;

	pthread_mutex_unlock(&w->kick.mutex);
	if (!last)
		return;
	hf_kick_destroy(&w->kick);
	free(w);
}

static void *watch(void *arg)
{
	struct watch *w = arg;
	int64_t next = w->start + FIRST_LOOK_MS * HF_MS, deadline = w->wait.deadline;
	bool over = false;

	pthread_mutex_lock(&w->kick.mutex);
	while (!w->kick.left && !over) {
		hf_kick_sleep(&w->kick, next < deadline ? next : deadline);
		if (w->kick.left)
			break;
		if (hf_until(deadline) == 0) {
			w->err.status = HF_BUSY; /* the waiting thread finds the words */
			over = true;
		} else if (hf_now() >= next) {
			over = look_once(w, &next);
		}
	}
	if (over)
		hf_kick(&w->kick, HF_WAIT_SIGNAL);
	leave(w);
	return NULL;
}

/* Make the watching thread, which takes no signals; this one takes HF_WAIT_SIGNAL from here on.
 * *old is how it was. 0 or an error number. */
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
	*w = (struct watch){.fd = fd, .mode = mode, .wait = *wait, .start = hf_now()};
	strcpy(w->path, path);
	w->nested = getenv(HF_FD_ENV);
	w->users = 2;
	hf_kick_init(&w->kick);
	return w;
}

/* The last that the waiting thread does with w. *why is filled if it was to give up. */
static void stop_watch(struct watch *w, struct hf_err *why)
{
	pthread_mutex_lock(&w->kick.mutex);
	w->kick.left = true;
	if (w->looks)
		pthread_cond_signal(&w->kick.wake);
	if (atomic_load(&w->kick.over))
		*why = w->err;
	leave(w);
}

/* HF_BUSY: the watching thread says that it is to give up. HF_OS: flock(2) failed, errno says why.
 */
static enum hf_status block(struct watch *w)
{
	int operation = w->mode == HF_LOCK_SHARED ? LOCK_SH : LOCK_EX, result;

	do
		result = sys_flock(w->fd, operation);
	while (result < 0 && errno == EINTR && !atomic_load(&w->kick.over) && !hf_has_given_up());
	if (result == 0)
		return HF_OK;
	return errno == EINTR ? HF_BUSY : HF_OS;
}

/* The same, watched. HF_BUSY: *why says why, or has no words (the deadline has passed). */
static enum hf_status block_watched(struct watch *w, struct hf_err *why)
{
	enum hf_status status = HF_OS;
	sigset_t old;
	int error = start_watch(w, &old);

	if (error) {
		w->users--;
		pthread_mutex_lock(&w->kick.mutex);
		leave(w);
	} else {
		status = block(w);
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
	int64_t start;
	struct watch *w;
	struct hf_err why;

	if (sys_flock(fd, (mode == HF_LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return HF_OK;
	if (errno != EWOULDBLOCK && errno != EINTR)
		return hf_fail_errno(err, "cannot lock '%s'", path);
	if (hf_until(wait->deadline) == 0)
		return busy(fd, path, wait, 0, err);
	why.message[0] = '\0';
	w = make_watch(fd, mode, path, wait);
	start = w ? w->start : 0;
	switch (w ? block_watched(w, &why) : HF_OS) {
	case HF_OK:
		return HF_OK;
	case HF_BUSY:
		if (!why.message[0])
			return busy(fd, path, wait, start, err);
		if (err)
			*err = why;
		return why.status;
	default:
		return hf_fail_errno(err, "cannot wait for '%s'", path);
	}
}
