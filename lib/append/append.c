/* SPDX-License-Identifier: ISC */
#include <holdfast/append.h>

#include <errno.h>

#include <holdfast/clock.h>

#include "append/append_handover.h"
#include "atomic/target_check.h"
#include "atomic/target_lock.h"
#include "base/copy.h"
#include "base/sys.h"
#include "base/tempfile.h"
#include "spool/append_in_place.h"
#include "spool/append_recovery.h"
#include "spool/spool_leader.h"

/* One append, through all its turns. */
struct work {
	struct hf_target target;
	const struct hf_append_record *record;
	const struct hf_append_options *options;
	struct hf_err *err;
	struct hf_handover hand;
	bool alone; /* do not share a batch */

	/* one turn */
	int lock; /* the open target; -1: absent */
	struct stat st;
	struct hf_batch batch; /* the batch that this process leads; fd -1: only its own record */

	/* The new file. Its lock, like the target's, is kept until the result is marked. */
	struct hf_atomic_options file;
	struct hf_atomic *atomic; /* NULL: not begun */

	enum hf_status status; /* after TURN_DONE */
};

/* How a turn ends. */
enum turn {
	TURN_DONE,  /* the result is in work.status */
	TURN_AGAIN, /* nothing was done: take the next turn */
	TURN_ALONE, /* the same, but do not share a batch */
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

static enum turn done(struct work *w, enum hf_status status)
{
	w->status = status;
	return TURN_DONE;
}

/* Return true if the result of the record that was handed over is known. */
static bool is_settled(struct work *w)
{
	return hf_handover_check(&w->hand, &w->status, w->err) == HF_TICKET_DONE;
}

/* This turn failed, for the reason in w->err. A leader that has the record decides the result. */
static enum turn fail_turn(struct work *w, enum hf_status reason)
{
	struct hf_err why;

	switch (hf_handover_withdraw(&w->hand, &w->status, &why)) {
	case HF_TICKET_UNSETTLED:
		return TURN_AGAIN;
	case HF_TICKET_DONE:
		if (w->status != HF_OK)
			*w->err = why;
		return TURN_DONE;
	default:
		return done(w, reason);
	}
}

/* Lock the open target. Hand the record over if the lock is not free. */
static enum hf_status wait_for_lock(struct work *w)
{
	if (sys_flock(w->lock, LOCK_EX | LOCK_NB) == 0)
		return HF_OK;
	if (w->hand.ticket.fd < 0 && w->record->data && may_share_batch(w) &&
	    w->hand.wait.deadline != HF_NOWAIT)
		hf_spool_publish(&w->target, w->lock, w->record, &w->hand.ticket);
	return hf_target_wait(&w->target, w->lock, &w->hand.wait, w->err);
}

/* ---- lead ------------------------------------------------------------------------------------ */

/* HF_NO: there is no spool, or it is damaged. */
static enum hf_status take_spool(struct work *w, bool *ours)
{
	enum hf_status status = hf_batch_take(&w->target, w->lock, &w->batch, w->err);

	if (status != HF_OK)
		return status;
	*ours = hf_ticket_in(&w->hand.ticket, &w->batch);
	status = hf_batch_judge(&w->batch, w->err);
	if (status != HF_DATA)
		return status;
	hf_batch_mark(&w->batch, HF_SPOOL_ABANDONED, NULL);
	hf_batch_finish(&w->batch);
	if (*ours)
		hf_ticket_close(&w->hand.ticket);
	*ours = false;
	return HF_NO;
}

/* Take the spool. If this process has no record in it, add its record. HF_NO: start again. */
static enum hf_status gather_records(struct work *w)
{
	bool ours = false;
	enum hf_status status = may_share_batch(w) ? take_spool(w, &ours) : HF_NO;

	/* alone, so no submitter waits for a result: only the way back of in_place needs a batch */
	if (status == HF_NO)
		status = w->options->in_place
				 ? hf_batch_make(&w->target, w->lock, &w->batch, w->err)
				 : HF_OK;
	/* handed over in a spool that cannot be taken, or is gone */
	if (!ours && w->hand.ticket.fd >= 0) {
		if (!hf_ticket_withdraw(&w->hand.ticket))
			return HF_NO;
		hf_ticket_close(&w->hand.ticket);
	}
	if (status == HF_OK && !ours && w->batch.fd >= 0)
		status = hf_batch_add(&w->batch, w->record, w->err);
	return status;
}

/* Record in the batch when the new file receives and loses its temporary name (spool/S3). */
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

static enum hf_status write_record(const struct work *w, int fd)
{
	if (w->batch.fd >= 0)
		return hf_write_records(&w->batch, fd, w->err);
	if (w->record->data)
		return hf_write_all(fd, w->record->data, w->record->size, w->target.path, w->err);
	if (lseek(w->record->fd, (off_t)w->record->offset, SEEK_SET) < 0)
		return hf_fail_errno(w->err, "cannot read the record for '%s'", w->target.path);
	return hf_copy_stream(w->record->fd, fd, NULL, "the record", w->target.path, w->err);
}

/* Become the leader of a batch, if there is one. The options then make the commit mark its steps in
 * it. */
static enum hf_status gather_and_enter(struct work *w)
{
	enum hf_status status = gather_records(w);

	if (status != HF_OK || w->batch.fd < 0)
		return status;
	w->file.side = "append";
	w->file.step = mark_step;
	w->file.step_context = w;
	return hf_batch_enter(w->lock, &w->batch, w->err);
}

/* Write the old content, if any, and then the batch or the record. The spool is taken after the
 * copy, so that records which arrive during the copy still come along. HF_NO: start again. */
static enum hf_status append_by_replacing(struct work *w)
{
	bool present = w->lock >= 0;
	enum hf_status status;
	int fd;

	w->file = w->options->file;
	w->file.wait = w->hand.wait;
	status = hf_atomic_begin_at(&w->atomic, &w->target, w->lock, present ? &w->st : NULL,
				    &w->file, w->err);
	if (status != HF_OK)
		return status;
	fd = hf_atomic_fd(w->atomic);
	if (present)
		status = hf_copy_file(w->lock, fd, w->target.path, w->target.path, w->err);
	if (status == HF_OK && present)
		status = gather_and_enter(w);
	if (status == HF_OK)
		status = write_record(w, fd);
	if (status == HF_OK)
		status = hf_atomic_commit(w->atomic, w->err);
	return status;
}

static void end_replacement(struct work *w)
{
	hf_atomic_end(w->atomic);
	w->atomic = NULL;
}

static enum hf_status write_in_place(struct work *w)
{
	/* under another name a torn record would not be found */
	const struct hf_target_rules rules = {.hard_links = w->options->file.break_links};
	const struct hf_target_claim claim = {.present = true, .fd = w->lock, .st = w->st};
	enum hf_status status = hf_target_check(&claim, &w->target, &rules, w->err);

	if (status == HF_OK)
		status = gather_records(w);
	if (status == HF_OK)
		status = hf_append_in_place(&w->st, &w->batch, syncs(w), w->err);
	return status;
}

/* Mark the result of the batch for its submitters and for the next leader. */
static void publish_result(struct work *w, enum hf_status status)
{
	bool is_done = status == HF_OK || status == HF_UNCERTAIN;

	/* in place, a part that could not be cut off is left for the next process to recover; and a
	 * state that cannot be written stays as it was, which recovery understands */
	w->batch.head.status = status;
	if ((status != HF_OK && w->batch.head.state == HF_SPOOL_IN_PLACE) ||
	    hf_batch_mark(&w->batch, is_done ? HF_SPOOL_DONE : HF_SPOOL_ABANDONED, NULL) != HF_OK)
		hf_batch_close(&w->batch);
	else
		hf_batch_finish(&w->batch);
}

/* Under the target's lock, without unfinished batches: write, and mark the result (append/P2,
 * append/P4). */
static enum turn lead_batch(struct work *w)
{
	enum hf_status status = w->options->in_place ? write_in_place(w) : append_by_replacing(w);
	bool leads = w->batch.fd >= 0;
	/* another user's spool in a sticky directory: append the record alone */
	bool alone = leads && status == HF_NOPERM && w->batch.is_spool && !w->alone;

	if (leads)
		publish_result(w, status);
	end_replacement(w);
	if (alone)
		return TURN_ALONE;
	/* another program replaced the target, without its lock, while this one made the new one */
	if (status == HF_NO || (status == HF_BUSY && w->err->errnum == EEXIST))
		return TURN_AGAIN;
	return leads || status == HF_OK ? done(w, status) : fail_turn(w, status);
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* Under the target's lock, or without it if the target is absent. After a power cut a temporary
 * name can be left without its batch. */
static enum hf_status recover_batches(struct work *w, const struct stat *st)
{
	char temporary[NAME_MAX + 1];
	enum hf_status status = hf_append_recover(&w->target, st, &w->hand.wait, w->err);

	if (status == HF_OK)
		hf_tempfile_reap(&w->target, hf_target_side(&w->target, "append", temporary));
	return status;
}

/* The target is absent: create it with the record as its content. */
static enum turn create_target(struct work *w)
{
	enum hf_status status = recover_batches(w, NULL);

	if (status != HF_OK)
		return fail_turn(w, status);
	/* a leader may have the record, and its target was removed */
	switch (hf_handover_withdraw(&w->hand, &w->status, w->err)) {
	case HF_TICKET_UNSETTLED:
		return TURN_AGAIN;
	case HF_TICKET_DONE:
		return TURN_DONE;
	default:
		status = append_by_replacing(w);
	}
	end_replacement(w);
	/* another process created it */
	return status == HF_BUSY && w->err->errnum == EEXIST ? TURN_AGAIN : done(w, status);
}

static enum turn run_turn(struct work *w)
{
	enum hf_status status = hf_target_open_old(&w->target, false, &w->lock, &w->st, w->err);

	if (status == HF_NOINPUT)
		return create_target(w);
	if (status == HF_OK)
		status = wait_for_lock(w);
	if (status == HF_OK) {
		if (is_settled(w))
			return TURN_DONE;
		status = hf_target_recheck(&w->target, w->lock, &w->st, w->err);
	}
	if (status == HF_NO) /* replaced during the wait */
		return TURN_AGAIN;
	if (status == HF_OK)
		status = recover_batches(w, &w->st);
	if (status != HF_OK)
		return fail_turn(w, status);
	return is_settled(w) ? TURN_DONE : lead_batch(w);
}

/* After a turn that did nothing: end the append if its time is over. */
static enum turn check_turns(struct work *w, int turns)
{
	if (turns <= MAX_TURNS || hf_time_left(w->hand.wait.deadline) > 0)
		return TURN_AGAIN;
	hf_fail(w->err, HF_BUSY, "cannot append to '%s': it is replaced again and again",
		w->target.path);
	hf_advise(w->err, "another program replaces it without its lock; try again, and let that "
			  "program use atomic-write or atomic-update");
	return fail_turn(w, HF_BUSY);
}

static void unlock_target(struct work *w)
{
	hf_close(w->lock);
	w->lock = -1;
}

enum hf_status hf_append(const char *path, const struct hf_append_record *record,
			 const struct hf_append_options *options, struct hf_err *err)
{
	struct hf_err own;
	struct work w = {.record = record,
			 .options = options,
			 .err = err ? err : &own,
			 .lock = -1,
			 .batch.fd = -1};
	enum turn turn = TURN_AGAIN;
	enum hf_status status;

	status = hf_target_open(&w.target, path,
				(options->file.no_follow ? HF_TARGET_NO_FOLLOW : 0) |
					(options->file.parents ? HF_TARGET_PARENTS : 0) |
					(syncs(&w) ? 0 : HF_TARGET_NO_SYNC),
				err);
	if (status != HF_OK)
		return status;
	hf_handover_init(&w.hand, &options->file.wait);
	for (int turns = 1; turn != TURN_DONE; turns++) {
		unlock_target(&w);
		turn = run_turn(&w);
		w.alone = w.alone || turn == TURN_ALONE;
		if (turn != TURN_DONE)
			turn = check_turns(&w, turns);
	}
	hf_ticket_close(&w.hand.ticket);
	unlock_target(&w);
	hf_target_close(&w.target);
	return w.status;
}
