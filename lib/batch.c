/* SPDX-License-Identifier: ISC */
#include "batch.h"

#include <errno.h>

#include "stage.h"
#include "sys.h"

/* Nobody has it: a power cut left it, or its leader died before it became the batch. */
static void discard_spool(const struct hf_target *target, struct hf_batch *batch)
{
	char name[NAME_MAX + 1];

	hf_batch_mark(batch, HF_SPOOL_ABANDONED, NULL);
	sys_unlinkat(target->dir, hf_target_side(target, "spool", name), 0);
}

enum hf_status hf_batch_take(const struct hf_target *target, struct hf_batch *batch,
			     struct hf_err *err)
{
	enum hf_status status = HF_NO;
	struct stat st;

	*batch = (struct hf_batch){
		.fd = hf_spool_open_named(target, "spool"), .path = target->path, .what = "spool"};
	if (batch->fd < 0)
		return HF_NO; /* none, or not ours to open */
	if (!hf_spool_lock_soon(batch->fd))
		goto none;
	if (sys_fstat(batch->fd, &st) < 0) {
		status = hf_fail_errno(err, "cannot read the spool of '%s'", target->path);
		goto none;
	}
	if (st.st_nlink == 0)
		goto none;
	if (hf_spool_read_head(batch->fd, &batch->head) < 0 && errno) {
		status = hf_fail_errno(err, "cannot read the spool of '%s'", target->path);
		goto none;
	}
	if (batch->head.state == HF_SPOOL_OPEN) {
		/* before owners are looked for: hf_ticket_take_back() */
		status = hf_batch_mark(batch, HF_SPOOL_CLOSED, err);
		if (status == HF_OK)
			return HF_OK;
		goto none;
	}
	discard_spool(target, batch);
none:
	sys_close(batch->fd);
	batch->fd = -1;
	return status;
}

enum hf_status hf_batch_make(const struct hf_target *target, int fd_of_target,
			     const struct stat *target_st, struct hf_batch *batch,
			     struct hf_err *err)
{
	*batch = (struct hf_batch){.fd = hf_spool_create(target, fd_of_target, target_st),
				   .path = target->path,
				   .head = hf_spool_new_head(HF_SPOOL_CLOSED)};
	if (batch->fd >= 0 && hf_spool_lock(batch->fd) == 0 &&
	    hf_spool_write_head(batch->fd, &batch->head))
		return HF_OK;
	hf_fail_errno(err, "cannot keep the intent to append to '%s'", target->path);
	if (batch->fd >= 0)
		sys_close(batch->fd);
	batch->fd = -1;
	return err ? err->status : HF_OS;
}

enum hf_status hf_batch_enter(const struct hf_target *target, struct hf_batch *batch,
			      struct hf_err *err)
{
	char from[NAME_MAX + 1], to[NAME_MAX + 1];
	enum hf_status status = HF_OK;

	hf_target_side(target, "batch", to);
	if (!batch->what)
		status = hf_stage_link(target, batch->fd, to, err);
	else if (sys_renameat2(target->dir, hf_target_side(target, batch->what, from), target->dir,
			       to, RENAME_NOREPLACE) < 0)
		status = errno == EEXIST ? HF_NO
					 : hf_fail_errno(err, "cannot take the spool of '%s'",
							 target->path);
	if (status == HF_OK)
		batch->what = "batch";
	if (status != HF_NO)
		return status;
	errno = EEXIST;
	return hf_fail_errno_as(err, HF_BUSY, "another append to '%s' is not settled",
				target->path);
}

enum hf_status hf_batch_add(struct hf_batch *batch, const struct hf_record *record,
			    struct hf_err *err)
{
	if (!hf_spool_put(batch->fd, &batch->head, record))
		return hf_fail_errno(err, "cannot keep the record for '%s'", batch->path);
	return HF_OK;
}

enum hf_status hf_batch_open(const struct hf_target *target, const struct hf_wait *wait,
			     struct hf_batch *batch, struct hf_err *err)
{
	char name[NAME_MAX + 1];
	enum hf_status status;
	struct stat st;

	for (;;) {
		*batch = (struct hf_batch){.fd = hf_spool_open_named(target, "batch"),
					   .path = target->path,
					   .what = "batch"};
		if (batch->fd < 0) {
			if (errno == ENOENT)
				return HF_NO;
			return hf_fail_errno(err, "cannot open '%s'",
					     hf_target_side(target, "batch", name));
		}
		/* whoever has it while we have the target's lock is stopped, or was overtaken by
		 * a stranger's rename */
		status = hf_lock_wait(batch->fd, HF_LOCK_EXCLUSIVE,
				      hf_target_side(target, "batch", name), wait, err);
		if (status == HF_OK && sys_fstat(batch->fd, &st) < 0)
			status = hf_fail_errno(err, "cannot lock '%s'", name);
		if (status != HF_OK) {
			sys_close(batch->fd);
			return status;
		}
		if (st.st_nlink > 0)
			break;
		sys_close(batch->fd); /* settled while we waited */
	}
	if (hf_spool_read_head(batch->fd, &batch->head) == 0)
		return HF_OK;
	if (errno) {
		hf_fail_errno(err, "cannot read '%s'", hf_target_side(target, "batch", name));
		sys_close(batch->fd);
		return err ? err->status : HF_IO;
	}
	/* what a power cut left of one: nobody waits for it */
	batch->head = hf_spool_new_head(HF_SPOOL_ABANDONED);
	return HF_OK;
}

static enum hf_status frame_at(const struct hf_batch *batch, uint64_t *at,
			       struct hf_spool_frame *frame, struct hf_err *err)
{
	enum hf_status status = hf_spool_frame_at(batch->fd, &batch->head, at, frame);

	if (status == HF_IO)
		hf_fail_errno(err, "cannot read the spool of '%s'", batch->path);
	if (status != HF_DATA)
		return status;
	hf_fail(err, HF_DATA, "the spool of '%s' is damaged", batch->path);
	hf_advise(err,
		  "look whether its last records are in '%s', and remove the files named "
		  ".holdfast.*.batch and .holdfast.*.spool beside it",
		  batch->path);
	return HF_DATA;
}

enum hf_status hf_batch_judge(struct hf_batch *batch, struct hf_err *err)
{
	struct hf_spool_frame frame;
	enum hf_status status;
	uint64_t at = 0;

	while ((status = frame_at(batch, &at, &frame, err)) == HF_OK) {
		int owned = hf_spool_has_owner(batch->fd, at);

		if (owned < 0) /* one left out by mistake would be lost */
			return hf_fail_errno(err, "cannot see whose the records for '%s' are",
					     batch->path);
		if (owned == 0) {
			frame.left_out = 1;
			if (sys_pwrite(batch->fd, &frame, sizeof(frame), (off_t)at) !=
			    (ssize_t)sizeof(frame))
				return hf_fail_errno(err, "cannot write the spool of '%s'",
						     batch->path);
		}
		at += sizeof(frame) + frame.size;
	}
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_batch_next(const struct hf_batch *batch, uint64_t *at, struct hf_record *record,
			     struct hf_err *err)
{
	struct hf_spool_frame frame;
	enum hf_status status;

	while ((status = frame_at(batch, at, &frame, err)) == HF_OK) {
		*record = (struct hf_record){
			.fd = batch->fd, .at = *at + sizeof(frame), .size = frame.size};
		*at += sizeof(frame) + frame.size;
		if (!frame.left_out)
			return HF_OK;
	}
	return status;
}

enum hf_status hf_batch_mark(struct hf_batch *batch, enum hf_spool_state state, struct hf_err *err)
{
	batch->head.state = state;
	if (!hf_spool_write_head(batch->fd, &batch->head))
		return hf_fail_errno(err, "cannot write the spool of '%s'", batch->path);
	return HF_OK;
}

bool hf_batch_finish(const struct hf_target *target, struct hf_batch *batch)
{
	char name[NAME_MAX + 1];
	bool gone = true;
	int saved;

	if (batch->what)
		gone = sys_unlinkat(target->dir, hf_target_side(target, batch->what, name), 0) ==
			       0 ||
		       errno == ENOENT;
	saved = errno;
	sys_close(batch->fd);
	batch->fd = -1;
	errno = saved;
	return gone;
}

bool hf_ticket_in(const struct hf_ticket *ticket, const struct hf_batch *batch)
{
	struct stat a, b;

	return ticket->fd >= 0 && batch->fd >= 0 && fstat(ticket->fd, &a) == 0 &&
	       fstat(batch->fd, &b) == 0 && hf_same_inode(&a, &b);
}
