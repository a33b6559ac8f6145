/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_dot.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "lock/dotlock_file.h"
#include "lock/dotlock_queue.h"
#include "lock/lock_kind.h"
#include "probe/proc_locks.h"
#include "stale/evidence.h"
#include "wait/file_watch.h"
#include "wait/wait_notice.h"
#include <holdfast/fd.h>
#include <holdfast/proc.h>

#define TARGET_FLAGS (HF_TARGET_NO_FOLLOW | HF_TARGET_NO_SYNC | HF_TARGET_ANY_NAME)

enum { MAX_TRIES = 1000 }; /* of a caller that does not wait */

struct dot {
	struct hf_target target;
	struct hf_dot_new new;
	bool foreign;		     /* another program's, or unknown */
	struct hf_evidence evidence; /* its evidence; without reasons: it may not be read */
	struct hf_dot_queue queue;
	struct hf_backoff rest;	    /* base 0: not started */
	const struct hf_wait *wait; /* the caller's */
	bool noticed;
};

static enum hf_status open_dot(struct hf_lock *lock, struct hf_err *err)
{
	enum hf_status status;
	struct dot *dot = lock->kind_data;

	*dot = (struct dot){.new.fd = -1};
	status = hf_target_open(&dot->target, lock->path, TARGET_FLAGS, err);
	if (status == HF_OK && sys_fstat(dot->target.dir, &lock->st) < 0) {
		status = hf_fail_errno(err, "cannot lock '%s'", lock->path);
		hf_target_close(&dot->target);
	}
	if (status != HF_OK)
		return status;
	lock->start = hf_lock_identity(dot->target.name);
	lock->length = 1;
	hf_dot_reap(&dot->target);
	hf_dot_queue_reap(&dot->target);
	return HF_OK;
}

/* Judge the file whose lock fd holds. */
static enum hf_verdict judge_dotlock(struct dot *dot, int fd)
{
	struct hf_stale_query of = {.fd = fd, .place = -1, .locked = true, .stale_after = HF_NEVER};

	hf_evidence_judge(&of, &dot->evidence);
	return dot->evidence.verdict;
}

/* Describe the holder for a message: its owner, or if that is dead, the process that inherited the
 * lock. */
static void describe_holder(const struct hf_target *target, char *out, size_t size)
{
	struct hf_lock_owner_info record = {.form = HF_OWNER_FOREIGN};
	struct hf_process_id self;
	struct hf_proc proc;
	char owner[HF_OWNER_SIZE];
	struct stat st;
	pid_t pid = 0;
	size_t n;
	int fd;

	hf_process_id_self(&self);
	if (hf_dot_look(target, &fd, &st, NULL) == HF_OK) {
		hf_lock_owner_read(fd, &record);
		if (record.form == HF_OWNER_HOLDFAST &&
		    hf_process_id_same_boot(&self, &record.owner) &&
		    hf_process_id_same_pidns(&self, &record.owner) &&
		    hf_proc_read(record.owner.pid, &proc) && proc.start == record.owner.start)
			pid = record.owner.pid;
		else
			pid = hf_lock_holder(fd);
		sys_close(fd);
	}
	hf_proc_describe(out, size, pid);
	if (pid || record.form != HF_OWNER_HOLDFAST)
		return;
	n = strlen(out);
	snprintf(out + n, size - n, ", by its record %s",
		 hf_evidence_owner(owner, sizeof(owner), &record));
}

/* Report the holder of the dotlock; hf_lock_wait() would report the process before us in the
 * queue. */
static void relay_notice(void *context, const char *line)
{
	struct dot *dot = context;
	char who[512];

	(void)line;
	if (dot->noticed)
		return;
	dot->noticed = true;
	describe_holder(&dot->target, who, sizeof(who));
	hf_wait_notice_say(dot->wait, "waiting for '%s', held by %s", dot->target.path, who);
}

static enum hf_status fail_dotlock_busy(const struct hf_target *target, const struct hf_wait *wait,
					struct hf_err *err)
{
	char who[512], within[64];

	describe_holder(target, who, sizeof(who));
	hf_fail(err, HF_BUSY, "cannot lock '%s'%s: held by %s", target->path,
		hf_wait_within(within, sizeof(within), wait), who);
	hf_advise(err, "wait longer with -w");
	return HF_BUSY;
}

/* Report what is known of a lock for which the kernel has no queue. */
static enum hf_status fail_external(const struct hf_lock *lock, const struct hf_evidence *e,
				    struct hf_err *err)
{
	hf_fail(err, HF_BUSY, "cannot lock '%s': it is %s: %s", lock->path,
		hf_verdict_name(e->verdict), hf_evidence_why(e));
	if (e->verdict == HF_VERDICT_HELD)
		hf_advise(err, "wait longer with -w");
	else
		hf_advise(err, "lock-break shows the evidence, and can move it aside");
	return HF_BUSY;
}

static bool is_moot(void *context)
{
	struct dot *dot = context;

	return hf_dot_queue_is_moot(&dot->queue, &dot->target);
}

static enum hf_status wait_in_dotlock_queue(struct hf_lock *lock, int fd, bool is_queue,
					    const struct hf_wait *wait, struct hf_err *err)
{
	struct dot *dot = lock->kind_data;
	struct hf_wait ours = {.deadline = wait->deadline,
			       .limit = wait->limit,
			       .notice = wait->notice ? relay_notice : NULL,
			       .is_moot = is_queue ? is_moot : NULL,
			       .context = dot};
	enum hf_status status;

	dot->wait = wait;
	dot->queue.found_free = 0;
	status = hf_lock_flock(lock, fd, &ours, err);
	if (status == HF_BUSY && hf_time_left(wait->deadline) == 0)
		return fail_dotlock_busy(&dot->target, wait, err);
	return status;
}

/* PATH is held, and fd is open on it: wait for it, or in the queue. HF_OK: fd's lock is acquired,
 * or an ancestor holds it. HF_NO: it is this process's turn; start again. */
static enum hf_status await_turn(struct hf_lock *lock, int fd, const struct hf_wait *wait,
				 struct hf_err *err)
{
	struct dot *dot = lock->kind_data;
	enum hf_status status;
	int queue;

	if (sys_flock(fd, LOCK_EX | LOCK_NB) == 0)
		return HF_OK;
	lock->contended = true;
	if (hf_time_left(wait->deadline) == 0 || getenv(HF_FD_ENV))
		return wait_in_dotlock_queue(lock, fd, false, wait, err);
	/* done before the wait, so that no later waiter waits for it */
	status = hf_dot_stage(&dot->target, &dot->new, err);
	if (status != HF_OK)
		return status;
	queue = hf_dot_queue_open(&dot->queue, &dot->target);
	hf_dot_queue_mark(queue < 0 ? fd : queue);
	if (queue < 0)
		return wait_in_dotlock_queue(lock, fd, false, wait, err);
	status = wait_in_dotlock_queue(lock, queue, true, wait, err);
	if (status == HF_OK && lock->inherited < 0) {
		hf_dot_queue_keep(&dot->queue, queue);
		return HF_NO;
	}
	sys_close(queue);
	/* the queue's head does not take a free PATH: stopped, or not a waiter (lock/Q4) */
	return status == HF_BUSY && dot->queue.found_free > 1 ? HF_NO : status;
}

/* Another process's takeover is in progress, and has no queue: back off with nothing held. HF_NO:
 * start again. */
static enum hf_status back_off(struct dot *dot, const struct hf_wait *wait, struct hf_err *err)
{
	const char *path = dot->target.path;
	enum hf_status status = HF_OK;
	char who[512], within[64];
	pid_t pid;

	if (!dot->rest.base)
		status = hf_backoff_init(&dot->rest, NULL, wait->deadline, err);
	if (status != HF_OK || hf_backoff_sleep(&dot->rest))
		return status == HF_OK ? HF_NO : status;
	pid = hf_dot_rival(&dot->target);
	hf_fail(err, HF_BUSY, "cannot lock '%s'%s: it is being taken over by %s", path,
		hf_wait_within(within, sizeof(within), wait),
		hf_proc_describe(who, sizeof(who), pid));
	hf_advise(err, "a takeover takes an instant, unless that process is stopped");
	return HF_BUSY;
}

/* PATH exists, and fd, which is closed here, is open on it. HF_OK: it is taken, or an ancestor
 * holds it, or it is an external lock. HF_NO: start again. */
static enum hf_status take_existing(struct hf_lock *lock, int fd, const struct hf_wait *wait,
				    struct hf_err *err)
{
	struct dot *dot = lock->kind_data;
	enum hf_status status = hf_lock_inherit(lock, err);

	if (status != HF_OK || lock->inherited >= 0) {
		sys_close(fd);
		return status;
	}
	hf_dot_queue_forget(&dot->queue, &lock->st);
	status = await_turn(lock, fd, wait, err);
	if (lock->inherited >= 0) {
		sys_close(fd);
		return status;
	}
	if (status == HF_OK && !hf_names_inode(dot->target.dir, dot->target.name, fd)) {
		hf_dot_queue_keep(&dot->queue, fd);
		return HF_NO;
	}
	if (status == HF_OK && judge_dotlock(dot, fd) == HF_VERDICT_STALE) {
		status = hf_dot_replace(&dot->target, &dot->new, fd, &lock->fd, err);
		if (status == HF_OK) {
			hf_dot_queue_keep(&dot->queue, fd);
			lock->breaks++;
			return HF_OK;
		}
		sys_close(fd);
		return status == HF_BUSY ? back_off(dot, wait, err) : status;
	}
	if (status == HF_OK)
		dot->foreign = true;
	sys_close(fd);
	return status;
}

static enum hf_status take_dot(struct hf_lock *lock, const struct hf_wait *wait, struct hf_err *err)
{
	struct dot *dot = lock->kind_data;
	int fd;

	for (int tries = 0; tries < MAX_TRIES || hf_time_left(wait->deadline) > 0; tries++) {
		enum hf_status status = hf_dot_look(&dot->target, &fd, &lock->st, err);

		if (status == HF_NO)
			status = hf_dot_link(&dot->target, &dot->new, &lock->fd, err);
		else if (status == HF_OK)
			status = take_existing(lock, fd, wait, err);
		else if (status == HF_NOPERM) {
			dot->foreign = true;
			return HF_OK;
		}
		if (status == HF_NO)
			continue;
		if (status == HF_OK && lock->fd >= 0 && sys_fstat(lock->fd, &lock->st) < 0)
			return hf_fail_errno(err, "cannot read the state of dotlock '%s'",
					     lock->path);
		return status;
	}
	return fail_dotlock_busy(&dot->target, wait, err);
}

static enum hf_status try_dot(struct hf_lock *lock, struct hf_err *err)
{
	struct dot *dot = lock->kind_data;

	return dot->foreign ? fail_external(lock, &dot->evidence, err) : HF_OK;
}

/* Return HF_OK if PATH looks free or can be waited for in the kernel. HF_NO: it is an external
 * lock. */
static enum hf_status is_free(struct dot *dot, struct hf_err *err)
{
	enum hf_status status;
	struct stat st;
	int fd;

	status = hf_dot_look(&dot->target, &fd, &st, err);
	if (status == HF_NO)
		return HF_OK;
	dot->evidence = (struct hf_evidence){.verdict = HF_VERDICT_UNKNOWN};
	if (status == HF_NOPERM)
		return HF_NO;
	if (status != HF_OK)
		return status;
	if (sys_flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	    hf_names_inode(dot->target.dir, dot->target.name, fd) &&
	    judge_dotlock(dot, fd) != HF_VERDICT_STALE)
		status = HF_NO;
	sys_close(fd);
	return status;
}

static enum hf_status wait_external_dotlock(struct hf_lock *lock, const struct hf_wait *wait,
					    struct hf_err *err)
{
	struct dot *dot = lock->kind_data;
	struct hf_wait_notice due = hf_wait_notice_begin(wait);
	struct hf_file_watch watch;
	enum hf_status status =
		hf_file_watch_begin(&watch, dot->target.dir, dot->target.name, wait->deadline, err);

	if (status != HF_OK)
		return status;
	while ((status = is_free(dot, err)) == HF_NO) {
		if (hf_wait_notice_is_due(&due))
			hf_wait_notice_say(wait, "waiting for '%s': %s", lock->path,
					   hf_evidence_why(&dot->evidence));
		hf_file_watch_process(&watch, dot->evidence.pid);
		if (!hf_file_watch_sleep(&watch)) {
			status = fail_external(lock, &dot->evidence, err);
			break;
		}
	}
	hf_file_watch_end(&watch);
	return status;
}

static enum hf_status wait_dot(struct hf_lock *lock, const struct hf_wait *wait, struct hf_err *err)
{
	struct dot *dot = lock->kind_data;
	enum hf_status status = hf_target_open(&dot->target, lock->path, TARGET_FLAGS, err);

	if (status != HF_OK)
		return status;
	status = wait_external_dotlock(lock, wait, err);
	hf_target_close(&dot->target);
	return status;
}

static void release_dot(struct hf_lock *lock)
{
	struct dot *dot = lock->kind_data;
	int saved = errno;

	if (lock->fd >= 0 && lock->lent) {
		hf_dot_give_back(&dot->target, lock->fd);
		lock->fd = -1;
	} else if (lock->fd >= 0) {
		if (hf_names_inode(dot->target.dir, dot->target.name, lock->fd) &&
		    !hf_dot_queue_found(&dot->target, lock->fd))
			sys_unlinkat(dot->target.dir, dot->target.name, 0);
		/* for a background process that has inherited it */
		sys_flock(lock->fd, LOCK_UN);
	}
	hf_dot_queue_leave(&dot->queue, &dot->target);
	hf_lock_close(lock);
	hf_dot_discard(&dot->target, &dot->new);
	hf_target_close(&dot->target);
	errno = saved;
}

const struct hf_lock_ops hf_lock_dot = {
	.name = "dotlock",
	.rank = 2,
	.exclusive = true,
	.data_size = sizeof(struct dot),
	.inherits = false, /* the inode is unknown before it is taken: take_existing() checks */
	.open = open_dot,
	.take = take_dot,
	.try = try_dot,
	.wait = wait_dot,
	.release = release_dot,
};

void hf_dot_touch(const struct hf_lock *lock)
{
	int fd = lock->fd >= 0 ? lock->fd : lock->inherited, saved = errno;

	if (lock->ops == &hf_lock_dot && lock->state == HF_LOCK_HELD && fd >= 0)
		futimens(fd, NULL);
	errno = saved;
}

bool hf_dot_lost(const struct hf_lock *lock)
{
	const struct dot *dot = lock->kind_data;

	return lock->ops == &hf_lock_dot && lock->state == HF_LOCK_HELD && lock->fd >= 0 &&
	       !hf_names_inode(dot->target.dir, dot->target.name, lock->fd);
}
