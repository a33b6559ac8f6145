/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_range.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "lock/lock_kind.h"
#include "wait/interrupt.h"
#include "wait/wait_notice.h"
#include <holdfast/clock.h>
#include <holdfast/path.h>
#include <holdfast/proc.h>

static int set_range(int fd, int command, short type, int64_t start, int64_t length)
{
	struct flock range = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};

	return sys_fcntl_lock(fd, command, &range);
}

static short fcntl_type(enum hf_lock_mode mode)
{
	return mode == HF_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
}

int hf_range_try(int fd, enum hf_lock_mode mode, int64_t start, int64_t length)
{
	int result = set_range(fd, F_OFD_SETLK, fcntl_type(mode), start, length);

	if (result < 0 && errno == EACCES) /* POSIX allows either */
		errno = EAGAIN;
	return result;
}

void hf_range_unlock(int fd, int64_t start, int64_t length)
{
	int saved = errno;

	set_range(fd, F_OFD_SETLK, F_UNLCK, start, length);
	errno = saved;
}

/* State shared by the waiting thread and the watching thread. */
struct watch {
	const struct hf_wait *wait;
	const char *what;
	struct hf_wait_notice notice;
	pthread_t watcher;
	struct hf_interrupt kick;
};

static void *watch_clock(void *arg)
{
	struct watch *w = arg;

	pthread_mutex_lock(&w->kick.mutex);
	while (!w->kick.returned && hf_time_left(w->wait->deadline) > 0) {
		int64_t deadline = w->wait->deadline, at = w->notice.at;

		hf_interrupt_sleep(&w->kick, at < deadline ? at : deadline);
		if (!w->kick.returned && hf_wait_notice_is_due(&w->notice)) {
			pthread_mutex_unlock(&w->kick.mutex);
			hf_wait_notice_say(w->wait, "waiting for %s", w->what);
			pthread_mutex_lock(&w->kick.mutex);
		}
	}
	if (!w->kick.returned)
		hf_interrupt_thread(&w->kick, HF_WAIT_SIGNAL);
	pthread_mutex_unlock(&w->kick.mutex);
	return NULL;
}

static int start_watch(struct watch *w)
{
	sigset_t all, old;
	int failed;

	hf_interrupt_init(&w->kick);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&w->watcher, NULL, watch_clock, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failed;
}

static void stop_watch(struct watch *w)
{
	pthread_mutex_lock(&w->kick.mutex);
	w->kick.returned = true;
	pthread_cond_signal(&w->kick.wake);
	pthread_mutex_unlock(&w->kick.mutex);
	pthread_join(w->watcher, NULL);
}

/* Return 0, ETIMEDOUT, or the errno of the failure. */
static int wait_in_range_queue(int fd, enum hf_lock_mode mode, int64_t start, int64_t length,
			       struct watch *w)
{
	sigset_t ours, old;
	int errnum = start_watch(w);

	if (errnum)
		return errnum;
	sigemptyset(&ours);
	sigaddset(&ours, HF_WAIT_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &ours, &old);
	while (set_range(fd, F_OFD_SETLKW, fcntl_type(mode), start, length) < 0) {
		errnum = errno;
		if (errnum != EINTR)
			break;
		errnum = ETIMEDOUT;
		if (atomic_load(&w->kick.cancelled) || hf_waits_are_cancelled())
			break;
		errnum = 0;
	}
	stop_watch(w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return errnum;
}

static enum hf_status fail_range_busy(int fd, enum hf_lock_mode mode, int64_t start, int64_t length,
				      const char *what, struct hf_err *err)
{
	struct flock range = {.l_type = fcntl_type(mode), .l_start = start, .l_len = length};
	char who[512] = "another process";
	bool known;

	/* the PID is known only for an ordinary fcntl lock */
	known = fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK && range.l_pid > 0;
	if (known)
		hf_proc_describe(who, sizeof(who), range.l_pid);
	hf_fail(err, HF_BUSY, "cannot lock %s: held by %s", what, who);
	hf_advise(err, "wait longer with -w%s",
		  known ? "" : "; lock-status shows which process has the file locked");
	return HF_BUSY;
}

enum hf_status hf_range_wait(int fd, enum hf_lock_mode mode, int64_t start, int64_t length,
			     const char *what, const struct hf_wait *wait, struct hf_err *err)
{
	struct watch w = {.wait = wait, .what = what, .notice = hf_wait_notice_begin(wait)};

	if (hf_range_try(fd, mode, start, length) == 0)
		return HF_OK;
	if (errno == EAGAIN && wait->deadline != HF_NOWAIT) {
		errno = wait_in_range_queue(fd, mode, start, length, &w);
		if (errno == 0)
			return HF_OK;
	}
	if (errno == EAGAIN || errno == ETIMEDOUT)
		return fail_range_busy(fd, mode, start, length, what, err);
	if (errno == EBADF) {
		hf_fail(err, HF_DATA, "cannot lock %s: it is not open for %s", what,
			mode == HF_LOCK_EXCLUSIVE ? "writing" : "reading");
		hf_advise(err, "open it for both: exec N<>FILE");
		return HF_DATA;
	}
	return hf_fail_errno(err, "cannot lock %s", what);
}

struct range_search {
	const struct hf_lock *lock;
	int only; /* this descriptor; -1: those that this process inherited */
	hf_range_fits *fits;
	struct hf_range_held *found;
	enum hf_held held;
};

static bool check_range(void *context, int fd, const struct hf_lock_entry *entry)
{
	struct range_search *s = context;
	struct stat st;

	if (s->only >= 0 ? fd != s->only : fd < 3 || (fcntl(fd, F_GETFD) & FD_CLOEXEC))
		return true;
	if (entry->type != HF_LOCK_OFD || fstat(fd, &st) < 0 || !hf_same_inode(&st, &s->lock->st) ||
	    !s->fits(s->lock, entry))
		return true;
	*s->found = (struct hf_range_held){.fd = fd, .start = entry->start};
	s->held = entry->exclusive ? HF_HELD_EXCLUSIVE : HF_HELD_SHARED;
	return false;
}

enum hf_held hf_lock_range_find(const struct hf_lock *lock, int fd, hf_range_fits *fits,
				struct hf_range_held *found)
{
	struct range_search s = {
		.lock = lock, .only = fd, .fits = fits, .found = found, .held = HF_HELD_NONE};

	if (!hf_lock_held_by(getpid(), HF_ALL_LOCKS, check_range, &s) && s.held == HF_HELD_NONE)
		return HF_HELD_UNKNOWN;
	return s.held;
}

void hf_lock_range_set(struct hf_lock *lock, int64_t start, int64_t length)
{
	lock->start = start;
	lock->length = length;
}

static enum hf_status open_range(struct hf_lock *lock, struct hf_err *err)
{
	struct stat st;

	if (fstatat(AT_FDCWD, lock->path, &st, 0) == 0 && S_ISDIR(st.st_mode)) {
		hf_fail(err, HF_USAGE, "cannot lock a range of '%s': it is a directory",
			lock->path);
		hf_advise(err, "lock it as a whole, without --fcntl");
		return HF_USAGE;
	}
	return hf_lock_open(lock, lock->mode == HF_LOCK_EXCLUSIVE ? O_WRONLY : O_RDONLY, err);
}

static bool range_covers(const struct hf_lock *lock, const struct hf_lock_entry *held)
{
	return (held->exclusive || lock->mode == HF_LOCK_SHARED) && held->start <= lock->start &&
	       held->last >= hf_lock_last(lock->start, lock->length);
}

static bool range_conflicts(const struct hf_lock *lock, const struct hf_lock_entry *held)
{
	return (held->exclusive || lock->mode == HF_LOCK_EXCLUSIVE) && held->last >= lock->start &&
	       held->start <= hf_lock_last(lock->start, lock->length);
}

/* For hf_lock_borrow(): prove that fd holds the range. */
static bool range_proof(struct hf_lock *lock, int fd, enum hf_held *held)
{
	struct hf_range_held range;

	*held = hf_lock_range_find(lock, fd, range_covers, &range);
	return *held != HF_HELD_NONE && *held != HF_HELD_UNKNOWN;
}

/* The range is taken: find out whether this process inherited the holder's descriptor. HF_NO: not
 * as far as known. */
static enum hf_status find_inherited(struct hf_lock *lock, const struct hf_wait *wait,
				     struct hf_err *err)
{
	struct hf_range_held held;

	switch (hf_lock_range_find(lock, -1, range_covers, &held)) {
	case HF_HELD_UNKNOWN:
		return getenv(HF_FD_ENV) ? hf_lock_unproved(lock, err) : HF_NO;
	case HF_HELD_NONE:
		break;
	default:
		hf_lock_close(lock);
		lock->inherited = held.fd;
		return HF_OK;
	}
	if (hf_lock_borrow(lock, range_proof, NULL) == HF_OK) {
		hf_lock_close(lock);
		return HF_OK;
	}
	if (wait->deadline == HF_NOWAIT ||
	    hf_lock_range_find(lock, -1, range_conflicts, &held) == HF_HELD_NONE)
		return HF_NO;
	hf_fail(err, HF_USAGE,
		"cannot lock '%s': a part of that range is held by a process that runs this one, "
		"and it would wait for itself",
		lock->path);
	hf_advise(err, "take the whole range outside, exclusively");
	return HF_USAGE;
}

static enum hf_status take_range(struct hf_lock *lock, const struct hf_wait *wait,
				 struct hf_err *err)
{
	char what[PATH_MAX + 3];
	enum hf_status status;

	if (hf_range_try(lock->fd, lock->mode, lock->start, lock->length) == 0)
		return hf_lock_recheck(lock);
	lock->contended = true;
	status = find_inherited(lock, wait, err);
	if (status != HF_NO)
		return status;
	snprintf(what, sizeof(what), "'%s'", lock->path);
	status = hf_range_wait(lock->fd, lock->mode, lock->start, lock->length, what, wait, err);
	return status == HF_OK ? hf_lock_recheck(lock) : status;
}

const struct hf_lock_ops hf_lock_range = {
	.name = "range",
	.rank = 1,
	.open = open_range,
	.take = take_range,
	.release = hf_lock_close,
};
