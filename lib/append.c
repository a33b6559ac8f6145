/* SPDX-License-Identifier: ISC */
#include "append.h"

#include <errno.h>

#include "batch.h"
#include "clock.h"
#include "copy.h"
#include "lock_target.h"
#include "refuse.h"
#include "settle.h"
#include "sys.h"

/* One append, as it goes through its turns. */
struct work {
	struct hf_target target;
	const struct hf_record *record;
	const struct hf_append_options *options;
	struct hf_ticket ticket; /* fd -1: nothing is handed over */
	bool settled;		 /* the ticket told its end */
	int lock;		 /* the target, open; -1: absent */
	struct stat st;
	struct hf_batch batch; /* what we lead; fd -1: our record alone */
	bool alone;	       /* the spool cannot be made a batch by us: leave it to others */

	/* The new file: its lock, like the target's, is kept until all are told. */
	struct hf_atomic_options file;
	struct hf_atomic atomic;
	bool writing; /* it is begun */
};

/* A turn's result beside the statuses: nothing was done, take the next one. */
#define AGAIN ((enum hf_status) - 1)

/* So often one begins again even when the deadline has passed. */
enum { MOST_TURNS = 20 };

static bool syncs(const struct work *w)
{
	return w->options->file.sync != HF_SYNC_NONE;
}

/* Whoever leads writes for all by his own options: only those who ask for the same may meet. */
static bool meets_others(const struct work *w)
{
	return w->options->file.sync == HF_SYNC_FULL && !w->options->file.mode && !w->alone;
}

static void unlock(struct work *w)
{
	int saved = errno;

	if (w->lock >= 0)
		sys_close(w->lock);
	w->lock = -1;
	errno = saved;
}

static enum hf_status uncertain(const struct work *w, struct hf_err *err)
{
	hf_fail(err, HF_UNCERTAIN, "what became of the record for '%s' is not certain",
		w->target.path);
	hf_advise(err, "another process had it, to append it together with its own");
	return HF_UNCERTAIN;
}

/* What became of the record that was handed over? HF_NO: still ours to do, with or without a
 * ticket. Otherwise it is settled, and the status is that of the append. */
static enum hf_status look(struct work *w, bool withdraw, enum hf_spool_state *state,
			   struct hf_err *err)
{
	enum hf_status looked, status;

	*state = HF_SPOOL_ABANDONED;
	if (w->ticket.fd < 0)
		return HF_NO;
	looked = hf_ticket_look(&w->target, &w->ticket, withdraw, state, &status);
	if (looked == HF_BUSY) {
		hf_ticket_close(&w->ticket);
		return HF_NO;
	}
	if (looked != HF_OK) {
		status = uncertain(w, err);
	} else if (*state != HF_SPOOL_DONE) {
		if (*state == HF_SPOOL_ABANDONED || (withdraw && *state == HF_SPOOL_OPEN))
			hf_ticket_close(&w->ticket);
		return HF_NO;
	} else if (status == HF_UNCERTAIN) {
		hf_fail(err, status, "'%s' has the record, but may lose it in a power cut",
			w->target.path);
	}
	w->settled = true;
	hf_ticket_close(&w->ticket);
	return status;
}

/*
 * The append has failed, for the reason in err. If our record is still ours, that is the result; if
 * a leader has it, his end is. P5.
 */
static enum hf_status give_up(struct work *w, enum hf_status reason, struct hf_err *err)
{
	const struct hf_wait for_ever = {.deadline = HF_NEVER};
	enum hf_spool_state state;
	enum hf_status status;
	struct hf_err why;

	if (w->ticket.fd < 0)
		return reason;
	status = look(w, true, &state, &why);
	if (w->settled) {
		if (status != HF_OK && err)
			*err = why;
		return status;
	}
	if (state == HF_SPOOL_OPEN || state == HF_SPOOL_ABANDONED)
		return reason;
	/* its leader died with the batch half done; who gets the lock can tell how it ended */
	if (reason == HF_BUSY && w->lock >= 0)
		return hf_lock_wait(w->lock, HF_LOCK_EXCLUSIVE, w->target.path, &for_ever, err) ==
				       HF_OK
			       ? AGAIN
			       : HF_UNCERTAIN;
	w->settled = true;
	return uncertain(w, err);
}

/* Lock the target that is open, handing the record over if that takes time. HF_OK: the record is
 * settled, or the target is locked and still this inode. */
static enum hf_status wait_turn(struct work *w, struct hf_err *err)
{
	enum hf_spool_state state;
	enum hf_status status;

	if (sys_flock(w->lock, LOCK_EX | LOCK_NB) < 0) {
		if (w->ticket.fd < 0 && w->record->data && meets_others(w) &&
		    w->options->file.wait.deadline != HF_AT_ONCE)
			hf_spool_publish(&w->target, w->lock, &w->st, w->record, &w->ticket);
		status = hf_target_wait(&w->target, w->lock, &w->options->file.wait, err);
		if (status != HF_OK)
			return status;
	}
	status = look(w, false, &state, err);
	if (w->settled)
		return status;
	/* replaced while we waited? */
	status = hf_target_recheck(&w->target, w->lock, &w->st, err);
	return status == HF_NO ? AGAIN : status;
}

/* Take what others handed over; without one's own ticket in it, our record is added. */
static enum hf_status gather(struct work *w, struct hf_err *err)
{
	enum hf_status status = HF_NO;
	bool ours = false;

	if (meets_others(w))
		status = hf_batch_take(&w->target, &w->batch, err);
	if (status == HF_OK) {
		status = hf_batch_judge(&w->batch, err);
		ours = hf_ticket_in(&w->ticket, &w->batch);
	} else if (status == HF_NO) {
		/* alone, and nobody to tell: only a way back, in place, needs a batch */
		status = w->options->in_place
				 ? hf_batch_make(&w->target, w->lock, &w->st, &w->batch, err)
				 : HF_OK;
	}
	if (!ours && w->ticket.fd >= 0) {
		/* handed over into a spool that cannot be had, or is gone */
		if (!hf_ticket_take_back(&w->ticket))
			return AGAIN;
		hf_ticket_close(&w->ticket);
	}
	if (status == HF_OK && !ours && w->batch.fd >= 0)
		status = hf_batch_add(&w->batch, w->record, err);
	return status;
}

/* The batch must know when the new file gets and loses its temporary name. S3. */
static enum hf_status mark_step(void *context, enum hf_atomic_step step, struct hf_err *err)
{
	struct hf_batch *batch = context;

	return hf_batch_mark(batch, step == HF_STEP_LINKED ? HF_SPOOL_PREPARED : HF_SPOOL_ABANDONED,
			     err);
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

/* Become the leader of a batch, if there is one; the options then say how it follows the commit. */
static enum hf_status gather_and_enter(struct work *w, struct hf_err *err)
{
	enum hf_status status = gather(w, err);

	if (status != HF_OK || w->batch.fd < 0)
		return status;
	w->batch.head.inode = w->st.st_ino;
	w->file.side = "append";
	w->file.step = mark_step;
	w->file.step_context = &w->batch;
	return hf_batch_enter(&w->target, &w->batch, err);
}

/* The target, or nothing where it is absent, and behind it the batch or our record. The spool is
 * taken only when the target is copied: who comes meanwhile still comes along. */
static enum hf_status replace(struct work *w, struct hf_err *err)
{
	bool present = w->lock >= 0;
	enum hf_status status;

	w->file = w->options->file;
	status = hf_atomic_begin_at(&w->atomic, &w->target, w->lock, present ? &w->st : NULL,
				    &w->file, err);
	if (status != HF_OK)
		return status;
	w->writing = true;
	if (present)
		status = hf_copy_file(w->lock, w->atomic.fd, NULL, w->target.path, w->target.path,
				      err);
	if (status == HF_OK && present)
		status = gather_and_enter(w, err);
	if (status == HF_OK)
		status = write_record(w, w->atomic.fd, err);
	if (status == HF_OK)
		status = hf_atomic_commit(&w->atomic, err);
	return status;
}

static void end_replace(struct work *w)
{
	if (w->writing)
		hf_atomic_end(&w->atomic);
	w->writing = false;
}

static enum hf_status write_in_place(struct work *w, struct hf_err *err)
{
	/* under another name a torn record would not be found */
	enum hf_status status =
		hf_refuse(&w->target, w->lock, &w->st, w->options->file.break_links, NULL, err);

	if (status == HF_OK)
		status = gather(w, err);
	if (status == HF_OK)
		status = hf_write_in_place(&w->target, &w->st, &w->batch, syncs(w), err);
	return status;
}

/* Say what became of the batch, to its owners and to who comes after us. */
static void tell(struct work *w, enum hf_status status)
{
	/* in place, a part that could not be cut off is left for the next to settle */
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
	} else { /* the mark stays as it was, which the next one understands */
		sys_close(w->batch.fd);
		w->batch.fd = -1;
	}
}

/* Under the target's lock, all being settled: write, and tell those who wait. P2, P4. */
static enum hf_status lead(struct work *w, struct hf_err *err)
{
	enum hf_status status = w->options->in_place ? write_in_place(w, err) : replace(w, err);

	if (w->batch.fd >= 0) {
		/* a spool of another user's, in a sticky directory: each for himself */
		bool alone = status == HF_NOPERM && w->batch.what && *w->batch.what == 's';

		w->settled = true; /* whatever comes of it, nobody else has the record now */
		tell(w, status);
		if (alone && !w->alone) {
			w->alone = true;
			w->settled = false;
			status = AGAIN;
		}
	}
	end_replace(w);
	return status;
}

/* The target is absent: create it with our record. */
static enum hf_status create(struct work *w, struct hf_err *err)
{
	enum hf_spool_state state;
	enum hf_status status = hf_settle(&w->target, NULL, &w->options->file.wait, err);

	if (status != HF_OK)
		return status;
	status = look(w, true, &state, err);
	if (w->settled)
		return status;
	status = replace(w, err);
	end_replace(w);
	/* somebody else created it */
	return status == HF_BUSY && err->errnum == EEXIST ? AGAIN : status;
}

/* One turn, from opening the target to the end, or AGAIN. */
static enum hf_status turn(struct work *w, struct hf_err *err)
{
	enum hf_spool_state state;
	enum hf_status status = hf_target_open_old(&w->target, false, &w->lock, &w->st, err);

	if (status == HF_NOINPUT)
		return create(w, err);
	if (status == HF_OK)
		status = wait_turn(w, err);
	if (status != HF_OK || w->settled)
		return status;
	status = hf_settle(&w->target, &w->st, &w->options->file.wait, err);
	if (status != HF_OK)
		return status;
	status = look(w, false, &state, err);
	if (w->settled)
		return status;
	status = lead(w, err);
	/* a stranger replaced the target, without its lock, while we made the new one */
	if (status == HF_BUSY && err->errnum == EEXIST)
		status = AGAIN;
	if (status == AGAIN)
		w->settled = false;
	return status;
}

enum hf_status hf_append(const char *path, const struct hf_record *record,
			 const struct hf_append_options *options, struct hf_err *err)
{
	struct work w = {.record = record, .options = options, .lock = -1};
	enum hf_status status;
	struct hf_err own;
	int turns = 0;

	if (!err)
		err = &own;
	w.ticket.fd = w.batch.fd = -1;
	status = hf_target_open(&w.target, path,
				(options->file.no_follow ? HF_TARGET_NO_FOLLOW : 0) |
					(options->file.parents ? HF_TARGET_PARENTS : 0) |
					(syncs(&w) ? 0 : HF_TARGET_NO_SYNC),
				err);
	if (status != HF_OK)
		return status;
	do {
		unlock(&w);
		status = turn(&w, err);
		if (status != HF_OK && status != AGAIN && !w.settled)
			status = give_up(&w, status, err);
		if (status == AGAIN && ++turns > MOST_TURNS &&
		    hf_until(options->file.wait.deadline) == 0) {
			hf_fail(err, HF_BUSY,
				"cannot append to '%s': it is replaced again and again", path);
			hf_advise(err, "somebody replaces it without its lock; try again, and let "
				       "them use atomic-write or atomic-update");
			status = give_up(&w, HF_BUSY, err);
		}
	} while (status == AGAIN);
	hf_ticket_close(&w.ticket);
	unlock(&w);
	hf_target_close(&w.target);
	return status;
}
