/* SPDX-License-Identifier: ISC */
#include <holdfast/append.h>

#include <errno.h>

#include "append/append_handover.h"
#include "atomic/target_check.h"
#include "atomic/target_lock.h"
#include "base/copy.h"
#include "base/sys.h"
#include "base/tempfile.h"
#include "spool/append_in_place.h"
#include "spool/append_recovery.h"
#include "spool/spool_leader.h"
#include <holdfast/clock.h>

/* One append, through all its turns. */
struct work {
	struct hf_target target;
	const struct hf_append_record *record;
	const struct hf_append_options *options;
	struct hf_handover hand;
	int lock; /* the open target; -1: absent */
	struct stat st;
	struct hf_batch batch; /* the batch that this process leads; fd -1: only its own record */
	bool alone; /* this process cannot rename the spool to a batch: leave it to others */

	/* The new file. Its lock, like the target's, is kept until the result is marked. */
	struct hf_atomic_options file;
	struct hf_atomic *atomic; /* NULL: not begun */
};

/* Turns that are allowed after the deadline has passed. */
enum { MAX_TURNS = 20 };

static bool syncs(const struct work *w)
{
	return w->options->file.sync != HF_SYNC_NONE;
}

/* The leader writes every record with its own options, so only appenders with the default options
 * may share a batch (append/P6). */
static bool may_share_batch(const struct work *w)
{
	return w->options->file.sync == HF_SYNC_FULL && !w->options->file.mode && !w->alone;
}

static void unlock_target(struct work *w)
{
	int saved = errno;

	if (w->lock >= 0)
		sys_close(w->lock);
	w->lock = -1;
	errno = saved;
}

/* Lock the open target, and hand the record over if the lock is not free. HF_OK: the result is
 * known, or the target is locked and still this inode. */
static enum hf_status wait_turn(struct work *w, struct hf_err *err)
{
	enum hf_ticket_end end;
	enum hf_status status;

	if (sys_flock(w->lock, LOCK_EX | LOCK_NB) < 0) {
		if (w->hand.ticket.fd < 0 && w->record->data && may_share_batch(w) &&
		    w->hand.wait.deadline != HF_NOWAIT)
			hf_spool_publish(&w->target, w->lock, &w->st, w->record, &w->hand.ticket);
		status = hf_target_wait(&w->target, w->lock, &w->hand.wait, err);
		if (status != HF_OK)
			return status;
	}
	status = hf_handover_look(&w->hand, &end, err);
	if (w->hand.settled)
		return status;
	/* replaced during the wait? */
	status = hf_target_recheck(&w->target, w->lock, &w->st, err);
	return status == HF_NO ? HF_AGAIN : status;
}

/* HF_NO: there is no spool, or it is damaged. */
static enum hf_status take_spool(struct work *w, bool *ours, struct hf_err *err)
{
	enum hf_status status = hf_batch_take(&w->target, w->lock, &w->batch, err);

	if (status != HF_OK)
		return status;
	*ours = hf_ticket_in(&w->hand.ticket, &w->batch);
	status = hf_batch_judge(&w->batch, err);
	if (status != HF_DATA)
		return status;
	hf_batch_mark(&w->batch, HF_SPOOL_ABANDONED, NULL);
	hf_batch_finish(&w->target, &w->batch);
	if (*ours)
		hf_ticket_close(&w->hand.ticket);
	*ours = false;
	return HF_NO;
}

/* Take the spool. If this process has no record in it, add its record. */
static enum hf_status gather_records(struct work *w, struct hf_err *err)
{
	enum hf_status status = HF_NO;
	bool ours = false;

	if (may_share_batch(w))
		status = take_spool(w, &ours, err);
	if (status == HF_NO) {
		/* alone, so no submitter waits for a result: only the way back of in_place needs a
		 * batch */
		status = w->options->in_place
				 ? hf_batch_make(&w->target, w->lock, &w->st, &w->batch, err)
				 : HF_OK;
	}
	if (!ours && w->hand.ticket.fd >= 0) {
		/* handed over in a spool that cannot be taken, or is gone */
		if (!hf_ticket_take_back(&w->target, &w->hand.ticket))
			return HF_AGAIN;
		hf_ticket_close(&w->hand.ticket);
	}
	if (status == HF_OK && !ours && w->batch.fd >= 0)
		status = hf_batch_add(&w->batch, w->record, err);
	return status;
}

/* Record in the batch when the new file gets and loses its temporary name (spool/S3). */
static enum hf_status mark_step(void *context, enum hf_atomic_step step, uint32_t number,
				struct hf_err *err)
{
	struct work *w = context;

	if (step != HF_STEP_LINKED)
		return hf_batch_mark(&w->batch, HF_SPOOL_ABANDONED, err);
	w->batch.head.target = hf_file_id_of(w->lock);
	w->batch.head.fresh = hf_file_id_of(hf_atomic_fd(w->atomic));
	w->batch.head.number = number;
	return hf_batch_mark(&w->batch, HF_SPOOL_PREPARED, err);
}

static enum hf_status write_record(const struct work *w, int fd, struct hf_err *err)
{
	if (w->batch.fd >= 0)
		return hf_write_records(&w->batch, fd, w->target.path, err);
	if (w->record->data)
		return hf_write_all(fd, w->record->data, w->record->size, w->target.path, err);
	if (lseek(w->record->fd, (off_t)w->record->at, SEEK_SET) < 0)
		return hf_fail_errno(err, "cannot read the record for '%s'", w->target.path);
	return hf_copy_stream(w->record->fd, fd, NULL, "the record", w->target.path, err);
}

/* Become the leader of a batch, if there is one. The options then make the commit mark its steps in
 * it. */
static enum hf_status gather_and_enter(struct work *w, struct hf_err *err)
{
	enum hf_status status = gather_records(w, err);

	if (status != HF_OK || w->batch.fd < 0)
		return status;
	w->file.side = "append";
	w->file.step = mark_step;
	w->file.step_context = w;
	return hf_batch_enter(&w->target, w->lock, &w->batch, err);
}

/* Write the old content, if any, and then the batch or the record. The spool is taken after the
 * copy, so that records which arrive during the copy still come along. */
static enum hf_status append_by_replacing(struct work *w, struct hf_err *err)
{
	bool present = w->lock >= 0;
	enum hf_status status;

	w->file = w->options->file;
	w->file.wait = w->hand.wait;
	status = hf_atomic_begin_at(&w->atomic, &w->target, w->lock, present ? &w->st : NULL,
				    &w->file, err);
	if (status != HF_OK)
		return status;
	if (present)
		status = hf_copy_file(w->lock, hf_atomic_fd(w->atomic), NULL, w->target.path,
				      w->target.path, err);
	if (status == HF_OK && present)
		status = gather_and_enter(w, err);
	if (status == HF_OK)
		status = write_record(w, hf_atomic_fd(w->atomic), err);
	if (status == HF_OK)
		status = hf_atomic_commit(w->atomic, err);
	return status;
}

static void end_replacement(struct work *w)
{
	hf_atomic_end(w->atomic);
	w->atomic = NULL;
}

static enum hf_status write_in_place(struct work *w, struct hf_err *err)
{
	/* under another name a torn record would not be found */
	const struct hf_target_rules rules = {.hard_links = w->options->file.break_links};
	const struct hf_target_claim claim = {.present = true, .fd = w->lock, .st = w->st};
	enum hf_status status = hf_target_check(&claim, &w->target, &rules, err);

	if (status == HF_OK)
		status = gather_records(w, err);
	if (status == HF_OK)
		status = hf_append_in_place(&w->target, &w->st, &w->batch, syncs(w), err);
	return status;
}

/* Mark the result of the batch for its submitters and for the next leader. */
static void publish_result(struct work *w, enum hf_status status)
{
	/* in place, a part that could not be cut off is left for the next process to recover */
	bool unsettled = status != HF_OK && w->batch.head.state == HF_SPOOL_IN_PLACE;
	enum hf_status told = HF_NO;

	if (status == HF_OK || (status == HF_UNCERTAIN && !unsettled)) {
		w->batch.head.status = status;
		told = hf_batch_mark(&w->batch, HF_SPOOL_DONE, NULL);
	} else if (!unsettled) {
		told = hf_batch_mark(&w->batch, HF_SPOOL_ABANDONED, NULL);
	}
	if (told == HF_OK) {
		hf_batch_finish(&w->target, &w->batch);
	} else { /* the state stays as it was, which recovery understands */
		sys_close(w->batch.fd);
		w->batch.fd = -1;
	}
}

/* Under the target's lock, without unfinished batches: write, and mark the result (append/P2,
 * append/P4). */
static enum hf_status lead_batch(struct work *w, struct hf_err *err)
{
	enum hf_status status =
		w->options->in_place ? write_in_place(w, err) : append_by_replacing(w, err);

	if (w->batch.fd >= 0) {
		/* another user's spool in a sticky directory: append the record alone */
		bool alone = status == HF_NOPERM && w->batch.is_spool;

		w->hand.settled = true; /* no other process has the record any more */
		publish_result(w, status);
		if (alone && !w->alone) {
			w->alone = true;
			w->hand.settled = false;
			status = HF_AGAIN;
		}
	}
	end_replacement(w);
	return status;
}

/* Under the target's lock, or without it if the target is absent. After a power cut a temporary
 * name can be left without its batch. */
static enum hf_status recover_batches(struct work *w, const struct stat *st, struct hf_err *err)
{
	char temporary[NAME_MAX + 1];
	enum hf_status status = hf_append_recover(&w->target, st, &w->hand.wait, err);

	if (status == HF_OK)
		hf_tempfile_reap(&w->target, hf_target_side(&w->target, "append", temporary));
	return status;
}

/* The target is absent: create it with the record as its content. */
static enum hf_status create_target(struct work *w, struct hf_err *err)
{
	enum hf_ticket_end end;
	enum hf_status status = recover_batches(w, NULL, err);

	if (status != HF_OK)
		return status;
	status = hf_handover_look(&w->hand, &end, err);
	if (w->hand.settled)
		return status;
	/* a leader may have the record, and its target was removed */
	status = hf_handover_withdraw(&w->hand, end, err);
	if (status != HF_NO)
		return status;
	status = append_by_replacing(w, err);
	end_replacement(w);
	/* another process created it */
	return status == HF_BUSY && err->errnum == EEXIST ? HF_AGAIN : status;
}

/* One turn, from opening the target to the end, or HF_AGAIN. */
static enum hf_status run_turn(struct work *w, struct hf_err *err)
{
	enum hf_ticket_end end;
	enum hf_status status = hf_target_open_old(&w->target, false, &w->lock, &w->st, err);

	if (status == HF_NOINPUT)
		return create_target(w, err);
	if (status == HF_OK)
		status = wait_turn(w, err);
	if (status != HF_OK || w->hand.settled)
		return status;
	status = recover_batches(w, &w->st, err);
	if (status != HF_OK)
		return status;
	status = hf_handover_look(&w->hand, &end, err);
	if (w->hand.settled)
		return status;
	status = lead_batch(w, err);
	/* another program replaced the target, without its lock, while we made the new one */
	if (status == HF_BUSY && err->errnum == EEXIST)
		status = HF_AGAIN;
	if (status == HF_AGAIN)
		w->hand.settled = false;
	return status;
}

enum hf_status hf_append(const char *path, const struct hf_append_record *record,
			 const struct hf_append_options *options, struct hf_err *err)
{
	struct work w = {.record = record, .options = options, .lock = -1};
	enum hf_status status;
	struct hf_err own;
	int turns = 0;

	if (!err)
		err = &own;
	w.batch.fd = -1;
	status = hf_target_open(&w.target, path,
				(options->file.no_follow ? HF_TARGET_NO_FOLLOW : 0) |
					(options->file.parents ? HF_TARGET_PARENTS : 0) |
					(syncs(&w) ? 0 : HF_TARGET_NO_SYNC),
				err);
	if (status != HF_OK)
		return status;
	hf_handover_init(&w.hand, &w.target, &options->file.wait);
	do {
		unlock_target(&w);
		status = run_turn(&w, err);
		if (status != HF_OK && status != HF_AGAIN && !w.hand.settled)
			status = hf_handover_give_up(&w.hand, status, err);
		if (status == HF_AGAIN && ++turns > MAX_TURNS &&
		    hf_time_left(w.hand.wait.deadline) == 0) {
			hf_fail(err, HF_BUSY,
				"cannot append to '%s': it is replaced again and again", path);
			hf_advise(err, "somebody replaces it without its lock; try again, and let "
				       "them use atomic-write or atomic-update");
			status = hf_handover_give_up(&w.hand, HF_BUSY, err);
		}
	} while (status == HF_AGAIN);
	hf_ticket_close(&w.hand.ticket);
	unlock_target(&w);
	hf_target_close(&w.target);
	return status;
}
