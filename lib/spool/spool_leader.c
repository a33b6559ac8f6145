/* SPDX-License-Identifier: ISC */
#include "spool/spool_leader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/process_id.h"
#include "base/sys.h"
#include "base/tempfile.h"
#include <holdfast/clock.h>

enum { MAX_TRIES = 20 };

void hf_batch_close(struct hf_batch *batch)
{
	hf_close(batch->fd);
	batch->fd = -1;
}

/* Take the leader's mark, and name this process in the head. */
static bool become_leader(struct hf_batch *batch)
{
	if (!hf_spool_mark(batch->fd, HF_SPOOL_LEADER, F_WRLCK))
		return false;
	batch->head.leader =
		(struct hf_spool_leader){.pid = getpid(), .pidns = hf_process_id_pidns()};
	return true;
}

static enum hf_status fail_read(const struct hf_batch *batch, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot read the spool of '%s'", batch->target->path);
}

static enum hf_status fail_write(const struct hf_batch *batch, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot write the spool of '%s'", batch->target->path);
}

/* Under the spool's flock. HF_NO: the spool cannot be taken. A leftover of a power cut, or of a
 * leader that died before hf_batch_enter(), is removed. */
static enum hf_status close_spool(struct hf_batch *batch, struct hf_err *err)
{
	struct stat st;
	int damaged = sys_fstat(batch->fd, &st);

	if (damaged == 0 && st.st_nlink == 0)
		return HF_NO;
	if (damaged == 0)
		damaged = hf_spool_read_head(batch->target, batch->fd, &batch->head);
	if (damaged && errno)
		return fail_read(batch, err);
	if (damaged) {
		hf_spool_remove(batch->target, batch->fd, batch->name);
		return HF_NO;
	}
	if (!become_leader(batch))
		return HF_NO;
	/* before the submitters' marks are checked (spool/S6) */
	if (batch->head.state == HF_SPOOL_OPEN)
		return hf_batch_mark(batch, HF_SPOOL_CLOSED, err);
	if (!hf_spool_is_final(batch->head.state))
		hf_batch_mark(batch, HF_SPOOL_ABANDONED, NULL);
	hf_spool_remove(batch->target, batch->fd, batch->name);
	return HF_NO;
}

enum hf_status hf_batch_take(const struct hf_target *target, int fd_of_target,
			     struct hf_batch *batch, struct hf_err *err)
{
	enum hf_status status;
	struct hf_trust trust;
	struct stat st;

	*batch = (struct hf_batch){.target = target, .fd = -1};
	batch->is_spool = true;
	hf_trust_init(&trust, target, fd_of_target);
	hf_target_side(target, "spool", batch->name);
	if (hf_side_open(&trust, batch->name, O_RDWR, &batch->fd, &st, NULL) != HF_OK)
		return HF_NO;
	status = HF_NO;
	if (hf_spool_lock_soon(batch->fd)) {
		status = close_spool(batch, err);
		/* no process adds to a closed spool: the flock is not needed any more */
		if (status == HF_OK && hf_spool_unlock(batch->fd) < 0)
			status = hf_fail_errno(err, "cannot take the spool of '%s'", target->path);
	}
	if (status != HF_OK)
		hf_batch_close(batch);
	return status;
}

enum hf_status hf_batch_make(const struct hf_target *target, int fd_of_target,
			     struct hf_batch *batch, struct hf_err *err)
{
	enum hf_status status;

	*batch = (struct hf_batch){.target = target, .fd = -1};
	batch->head = hf_spool_new_head(target, HF_SPOOL_CLOSED);
	batch->fd = hf_spool_create(target, fd_of_target, batch->name);
	if (batch->fd >= 0 && become_leader(batch) && hf_spool_write_head(batch->fd, &batch->head))
		return HF_OK;
	status = hf_fail_errno(err, "cannot keep the intent to append to '%s'", target->path);
	if (batch->fd >= 0)
		hf_tempfile_discard(target, batch->fd, batch->name);
	batch->fd = -1;
	return status;
}

/* Return true if an unfinished batch has this name. */
static bool is_unfinished_batch(const struct hf_target *target, struct hf_trust *trust,
				const char *name)
{
	struct hf_spool_head head;
	struct stat st;
	bool is;
	int fd;

	if (hf_side_open(trust, name, O_RDWR, &fd, &st, NULL) != HF_OK)
		return false;
	is = hf_spool_read_head(target, fd, &head) == 0 && !hf_spool_is_final(head.state);
	sys_close(fd);
	return is;
}

enum hf_status hf_batch_enter(int fd_of_target, struct hf_batch *batch, struct hf_err *err)
{
	const struct hf_target *target = batch->target;
	enum hf_status status = HF_NO;
	char to[NAME_MAX + 1];
	struct hf_trust trust;
	uint32_t number = 0;

	hf_trust_init(&trust, target, fd_of_target);
	for (int tries = 0; status == HF_NO && tries < MAX_TRIES; tries++) {
		hf_side_name(target, "batch", number, to);
		status = batch->is_spool ? hf_tempfile_name(target, batch->fd, batch->name, to, err)
					 : hf_spool_name(target, batch->fd, batch->name, to, err);
		if (status == HF_NO &&
		    (is_unfinished_batch(target, &trust, to) || HF_WITHOUT(side_names)))
			break;
		/* the file of that name is no batch, unusable or already removed */
		number = hf_side_number();
	}
	if (status == HF_OK) {
		strcpy(batch->name, to);
		batch->is_spool = false;
	}
	if (status != HF_NO)
		return status;
	errno = EEXIST;
	return hf_fail_errno_as(err, HF_BUSY, "another append to '%s' is unfinished", target->path);
}

enum hf_status hf_batch_add(struct hf_batch *batch, const struct hf_append_record *record,
			    struct hf_err *err)
{
	if (!hf_spool_put(batch->fd, &batch->head, record))
		return hf_fail_errno(err, "cannot keep the record for '%s'", batch->target->path);
	return HF_OK;
}

static enum hf_status fail_leader_busy(const struct hf_batch *batch, struct hf_err *err)
{
	const struct hf_ticket ticket = {.target = batch->target, .fd = batch->fd};
	char leader[512];
	bool stopped = hf_ticket_leader(&ticket, leader, sizeof(leader));

	hf_fail(err, HF_BUSY, "cannot use '%s': there is an append by %s, %s", batch->target->path,
		leader, stopped ? "which is stopped" : "which has not finished");
	hf_advise(err, "wait longer with -w, or see what that process does");
	return HF_BUSY;
}

/* Wait until the leader's mark is free. A leader normally holds the target's lock, which this
 * process has. One that is alive here is stopped, or lost the target to another program's rename.
 */
static enum hf_status wait_for_leader_mark(const struct hf_batch *batch, const struct hf_wait *wait,
					   struct hf_err *err)
{
	struct hf_backoff backoff;
	enum hf_status status;

	if (hf_spool_mark(batch->fd, HF_SPOOL_LEADER, F_WRLCK))
		return HF_OK;
	status = hf_backoff_init(&backoff, NULL, wait->deadline, err);
	while (status == HF_OK && !hf_spool_mark(batch->fd, HF_SPOOL_LEADER, F_WRLCK)) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return hf_fail_errno(err, "cannot lock '%s' beside '%s'", batch->name,
					     batch->target->path);
		if (!hf_backoff_sleep(&backoff))
			return fail_leader_busy(batch, err);
	}
	return status;
}

/* Fail if a trusted user's batch cannot be opened. Any other file of that name counts as absent. */
static enum hf_status fail_cannot_open(const struct hf_target *target, const char *name,
				       const struct hf_err *why, struct hf_err *err)
{
	if (why->errnum != EACCES && why->errnum != EPERM)
		return HF_NO;
	errno = why->errnum;
	hf_fail_errno_as(err, HF_NOPERM, "cannot finish an append to '%s' that was interrupted",
			 target->path);
	hf_advise(err, "it is in '%s' beside it: let its owner, or root, append to the file", name);
	return HF_NOPERM;
}

enum hf_status hf_batch_open(const struct hf_target *target, struct hf_trust *trust,
			     const char *name, const struct hf_wait *wait, struct hf_batch *batch,
			     struct hf_err *err)
{
	enum hf_status status;
	struct hf_err why;
	struct stat st;

	*batch = (struct hf_batch){.target = target, .fd = -1};
	snprintf(batch->name, sizeof(batch->name), "%s", name);
	status = hf_side_open(trust, name, O_RDWR, &batch->fd, &st, &why);
	if (status == HF_NOPERM)
		return fail_cannot_open(target, name, &why, err);
	if (status != HF_OK) {
		if (status != HF_NO && err)
			*err = why;
		return status;
	}
	status = wait_for_leader_mark(batch, wait, err);
	if (status == HF_OK && sys_fstat(batch->fd, &st) < 0)
		status = hf_fail_errno(err, "cannot lock '%s' beside '%s'", name, target->path);
	if (status == HF_OK && st.st_nlink == 0)
		status = HF_NO; /* recovered by another process during the wait */
	if (status == HF_OK && hf_spool_read_head(target, batch->fd, &batch->head) < 0) {
		if (!errno)
			return HF_DATA;
		status = hf_fail_errno(err, "cannot read '%s' beside '%s'", name, target->path);
	}
	if (status != HF_OK)
		hf_batch_close(batch);
	return status;
}

static enum hf_status read_frame(const struct hf_batch *batch, uint64_t *at,
				 struct hf_spool_frame *frame, struct hf_err *err)
{
	enum hf_status status = hf_spool_frame_at(batch->fd, &batch->head, at, frame);

	if (status == HF_IO)
		return fail_read(batch, err);
	if (status == HF_DATA)
		return hf_fail(err, HF_DATA, "the spool of '%s' is damaged", batch->target->path);
	return status;
}

enum hf_status hf_batch_judge(struct hf_batch *batch, struct hf_err *err)
{
	struct hf_spool_frame frame;
	enum hf_status status;
	uint64_t at = 0;

	while ((status = read_frame(batch, &at, &frame, err)) == HF_OK) {
		int owned = hf_spool_is_marked(batch->fd, at);

		if (owned < 0) /* a record left out by mistake would be lost */
			return hf_fail_errno(err,
					     "cannot read which records for '%s' are withdrawn",
					     batch->target->path);
		frame.left_out = 1;
		if (owned == 0 && sys_pwrite(batch->fd, &frame, sizeof(frame), (off_t)at) !=
					  (ssize_t)sizeof(frame))
			return fail_write(batch, err);
		at += sizeof(frame) + frame.size;
	}
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_batch_next(const struct hf_batch *batch, uint64_t *at,
			     struct hf_append_record *record, struct hf_err *err)
{
	struct hf_spool_frame frame;
	enum hf_status status;

	while ((status = read_frame(batch, at, &frame, err)) == HF_OK) {
		*record = (struct hf_append_record){
			.fd = batch->fd, .offset = *at + sizeof(frame), .size = frame.size};
		*at += sizeof(frame) + frame.size;
		if (!frame.left_out)
			return HF_OK;
	}
	return status;
}

enum hf_status hf_batch_mark(struct hf_batch *batch, enum hf_spool_state state, struct hf_err *err)
{
	batch->head.state = state;
	return hf_spool_write_head(batch->fd, &batch->head) ? HF_OK : fail_write(batch, err);
}

void hf_batch_finish(struct hf_batch *batch)
{
	if (batch->name[0])
		hf_spool_remove(batch->target, batch->fd, batch->name);
	hf_batch_close(batch);
}

bool hf_ticket_in(const struct hf_ticket *ticket, const struct hf_batch *batch)
{
	struct stat a, b;

	return ticket->fd >= 0 && batch->fd >= 0 && fstat(ticket->fd, &a) == 0 &&
	       fstat(batch->fd, &b) == 0 && hf_same_inode(&a, &b);
}
