/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_slots.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/sys.h"
#include "lock/lock_kind.h"
#include "wait/wait_notice.h"
#include <holdfast/clock.h>
#include <holdfast/lock_range.h>
#include <holdfast/path.h>

#define GATE (HF_SLOT_BASE - 1)

struct slots {
	int count;
	int taken; /* the number of the slot */
};

void hf_lock_slots_set(struct hf_lock *lock, int count)
{
	struct slots *slots = lock->kind_data;

	slots->count = count;
}

int hf_lock_slot(const struct hf_lock *lock)
{
	const struct slots *slots = lock->kind_data;

	return lock->state == HF_LOCK_HELD ? slots->taken : -1;
}

static enum hf_status open_slots(struct hf_lock *lock, struct hf_err *err)
{
	const struct slots *slots = lock->kind_data;
	enum hf_status status;
	struct stat st;

	lock->mode = HF_LOCK_SHARED;
	lock->length = slots->count; /* two numbers of slots of one file are two different locks */
	if (slots->count < 1 || slots->count > HF_SLOTS_MAX)
		return hf_fail(err, HF_USAGE, "cannot lock '%s': %d is not a number of slots",
			       lock->path, slots->count);
	if (sys_fstatat(AT_FDCWD, lock->path, &st, 0) == 0 && S_ISDIR(st.st_mode)) {
		hf_fail(err, HF_USAGE, "'%s' is a directory, which has no slots", lock->path);
		hf_advise(err, "name a file in it");
		return HF_USAGE;
	}
	status = hf_lock_open(lock, O_RDWR, err);
	if (status == HF_NOPERM)
		hf_advise(err, "slots need a file that may be read and written, though nothing is "
			       "written to it");
	return status;
}

static bool is_slot(const struct hf_lock *lock, const struct hf_lock_entry *held)
{
	const struct slots *slots = lock->kind_data;

	return held->exclusive && held->start == held->last && held->start >= HF_SLOT_BASE &&
	       held->start < HF_SLOT_BASE + slots->count;
}

/* For hf_lock_borrow(): any slot satisfies, whatever the mode is. */
static bool slot_proof(struct hf_lock *lock, int fd, enum hf_held *held)
{
	struct slots *slots = lock->kind_data;
	struct hf_range_held range;

	*held = hf_lock_range_find(lock, fd, is_slot, &range);
	if (*held != HF_HELD_EXCLUSIVE)
		return false;
	slots->taken = (int)(range.start - HF_SLOT_BASE);
	return true;
}

/* Take any free slot. Return 0; or -1 with errno, EAGAIN if all are taken. */
static int try_slots(struct hf_lock *lock)
{
	struct slots *slots = lock->kind_data;

	for (int i = 0; i < slots->count; i++) {
		if (hf_range_try(lock->fd, HF_LOCK_EXCLUSIVE, HF_SLOT_BASE + i, 1) == 0) {
			slots->taken = i;
			return 0;
		}
		if (errno != EAGAIN)
			return -1;
	}
	return -1;
}

static enum hf_status fail_all_taken(const struct hf_lock *lock, struct hf_err *err)
{
	const struct slots *slots = lock->kind_data;

	hf_fail(err, HF_BUSY, "cannot lock a slot of '%s': all %d are taken", lock->path,
		slots->count);
	hf_advise(err, "wait longer with -w; lock-status shows their holders");
	return HF_BUSY;
}

/* Return an inotify descriptor that reports when a description of the file is closed, or -1. */
static int watch_closing(const struct hf_lock *lock)
{
	char path[40];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", lock->fd);
	if (inotify_add_watch(fd, path, IN_CLOSE_WRITE) >= 0)
		return fd;
	sys_close(fd);
	return -1;
}

/* Sleep until the file is closed in some process, or for the backoff's time. Return false at the
 * deadline. */
static bool await_closing(int closing, struct hf_backoff *backoff)
{
	struct pollfd poll_fd = {.fd = closing, .events = POLLIN};
	int64_t sleep = hf_backoff_next(backoff);
	struct timespec ts = {.tv_sec = sleep / HF_SECOND, .tv_nsec = sleep % HF_SECOND};
	char events[4096];

	if (sleep <= 0)
		return false;
	if (ppoll(&poll_fd, closing >= 0, &ts, NULL) > 0) {
		while (read(closing, events, sizeof(events)) > 0)
			;
		/* the event comes just before the lock is free */
		backoff->tries = 0;
	}
	return true;
}

/* Wait for any slot while holding the gate. */
static enum hf_status wait_at_gate(struct hf_lock *lock, const struct hf_wait *wait,
				   struct hf_err *err)
{
	const struct slots *slots = lock->kind_data;
	struct hf_backoff backoff;
	struct hf_wait_notice notice = hf_wait_notice_begin(wait);
	enum hf_status status;
	int closing;

	if (try_slots(lock) == 0)
		return HF_OK;
	lock->contended = true;
	status = hf_backoff_init(&backoff, NULL, wait->deadline, err);
	if (status != HF_OK)
		return status;
	closing = watch_closing(lock);
	while (try_slots(lock) < 0) {
		if (errno != EAGAIN) {
			status = hf_fail_errno(err, "cannot lock a slot of '%s'", lock->path);
			break;
		}
		if (hf_wait_notice_is_due(&notice))
			hf_wait_notice_say(wait, "waiting for a slot of '%s': all %d are taken",
					   lock->path, slots->count);
		if (!await_closing(closing, &backoff)) {
			status = fail_all_taken(lock, err);
			break;
		}
	}
	hf_close(closing);
	return status;
}

/* Borrow a slot from an ancestor's keeper. */
static bool borrow_slot(struct hf_lock *lock)
{
	if (lock->inherited >= 0 || hf_lock_borrow(lock, slot_proof, NULL) != HF_OK)
		return false;
	hf_lock_close(lock);
	return true;
}

static enum hf_status take_slot(struct hf_lock *lock, const struct hf_wait *wait,
				struct hf_err *err)
{
	char what[PATH_MAX + 32];
	enum hf_status status;

	/* without waiting there is no need to queue: a process that passes the gate does not mean
	 * "all taken" */
	if (wait->deadline == HF_NOWAIT && try_slots(lock) == 0)
		return HF_OK;
	if (hf_range_try(lock->fd, HF_LOCK_EXCLUSIVE, GATE, 1) < 0) {
		if (borrow_slot(lock))
			return HF_OK;
	} else if (try_slots(lock) == 0 || borrow_slot(lock)) {
		if (lock->fd >= 0)
			hf_range_unlock(lock->fd, GATE, 1);
		return HF_OK;
	}
	snprintf(what, sizeof(what), "a slot of '%s'", lock->path);
	status = hf_range_wait(lock->fd, HF_LOCK_EXCLUSIVE, GATE, 1, what, wait, err);
	if (status == HF_BUSY)
		return fail_all_taken(lock, err);
	if (status != HF_OK)
		return status;
	status = wait_at_gate(lock, wait, err);
	hf_range_unlock(lock->fd, GATE, 1);
	return status;
}

static enum hf_status take_slots(struct hf_lock *lock, const struct hf_wait *wait,
				 struct hf_err *err)
{
	struct slots *slots = lock->kind_data;
	enum hf_status status;
	struct hf_range_held held;

	if (lock->inherited >= 0 &&
	    hf_lock_range_find(lock, -1, is_slot, &held) == HF_HELD_EXCLUSIVE) {
		hf_lock_close(lock);
		slots->taken = (int)(held.start - HF_SLOT_BASE);
		return HF_OK;
	}
	if (lock->inherited < 0) {
		status = hf_lock_flock(lock, lock->fd, wait, err);
		if (status != HF_OK)
			return status;
	}
	status = take_slot(lock, wait, err);
	return status == HF_OK ? hf_lock_recheck(lock) : status;
}

const struct hf_lock_ops hf_lock_slots = {
	.name = "slots",
	.rank = 1,
	.inherits = true,
	.data_size = sizeof(struct slots),
	.open = open_slots,
	.take = take_slots,
	.release = hf_lock_close,
};
