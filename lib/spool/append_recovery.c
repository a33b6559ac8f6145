/* SPDX-License-Identifier: ISC */
#include "spool/append_recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "spool/append_in_place.h"
#include "base/tempfile.h"
#include "base/sys.h"

/* Whose batches, beside which file. */
struct work {
	const struct hf_target *target;
	const struct stat *st; /* NULL: absent */
	const struct hf_wait *wait;
	struct hf_trust trust;
};

static enum hf_status cannot_finish(const struct work *w, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot finish the last append to '%s'", w->target->path);
}

static bool has_other_name(const struct hf_target *target, const struct hf_file_id *wanted)
{
	int fd = hf_file_id_find(target, wanted, O_PATH);

	if (fd >= 0)
		sys_close(fd);
	return fd >= 0;
}

/* ---- in place -------------------------------------------------------------------------------- */

/* By what lies in the file: *state, and batch->head.status. */
static enum hf_status judge_tail(int fd, bool cuts, struct hf_batch *batch,
				 enum hf_spool_state *state, struct hf_err *err)
{
	enum hf_tail tail;
	enum hf_status status = hf_in_place_compare(fd, batch, &tail, err);

	*state = HF_SPOOL_ABANDONED;
	if (status == HF_DATA) { /* what it holds cannot be told any more */
		*state = HF_SPOOL_DONE;
		batch->head.status = HF_UNKNOWN;
		return HF_OK;
	}
	if (status != HF_OK)
		return status;
	if (tail == HF_TAIL_WHOLE || tail == HF_TAIL_AMONG) {
		*state = HF_SPOOL_DONE;
		batch->head.status = sys_fdatasync(fd) < 0 ? HF_UNCERTAIN : HF_OK;
	} else if (tail == HF_TAIL_TORN && cuts) {
		status = hf_in_place_cut(fd, batch, err);
	}
	return status;
}

/* May all who could have written the batch write this file, too? */
static bool is_theirs(const struct hf_batch *batch, int fd)
{
	struct hf_access batch_access, access;

	return hf_access_read(&batch_access, batch->fd, batch->path, NULL) == HF_OK &&
	       hf_access_read(&access, fd, batch->path, NULL) == HF_OK &&
	       hf_access_within(&batch_access, &access, W_OK, geteuid());
}

/* The file under the name that it was moved to; -1. A torn batch can have whole records at its
 * beginning, whose owners append them again: so it is cut off there, too (*cuts), if the file can
 * be locked soon. */
static int open_rotated(const struct work *w, const struct hf_batch *batch, bool *cuts)
{
	int fd = hf_file_id_find(w->target, &batch->head.target, O_RDWR);

	*cuts = fd >= 0 && !HF_WITHOUT(rotated) && is_theirs(batch, fd) && hf_spool_lock_soon(fd);
	return fd >= 0 ? fd : hf_file_id_find(w->target, &batch->head.target, O_RDONLY);
}

static enum hf_status settle_in_place(const struct work *w, struct hf_batch *batch,
				      struct hf_err *err)
{
	struct hf_file_id now = hf_file_id_at(w->target->dir, w->target->name);
	bool is_target = w->st && hf_file_id_compare(&now, &batch->head.target) != HF_SAME_NO;
	enum hf_spool_state state = HF_SPOOL_DONE;
	enum hf_status status = HF_OK;
	bool cuts = is_target;
	int fd = is_target ? hf_in_place_open(w->target, w->st, O_RDWR)
			   : open_rotated(w, batch, &cuts);

	if (fd < 0 && is_target)
		return cannot_finish(w, err);
	if (fd >= 0)
		status = judge_tail(fd, cuts, batch, &state, err);
	else
		batch->head.status = HF_UNKNOWN;
	if (fd >= 0)
		sys_close(fd);
	return status == HF_OK ? hf_batch_mark(batch, state, err) : status;
}

/* ---- by a new file --------------------------------------------------------------------------- */

enum fate { RENAMED, NOT_RENAMED, NOT_KNOWN };

static enum fate judge_prepared(const struct work *w, const struct hf_batch *batch,
				const char *temporary)
{
	const struct hf_spool_head *head = &batch->head;
	struct hf_file_id now = hf_file_id_at(w->target->dir, w->target->name),
			  left = hf_file_id_at(w->target->dir, temporary);
	enum hf_same is_fresh = hf_file_id_compare(&now, &head->fresh);

	if (is_fresh == HF_SAME_YES)
		return RENAMED;
	if (hf_file_id_compare(&left, &head->fresh) != HF_SAME_NO)
		return NOT_RENAMED;
	/* by an exchange of names (atomic/publish.h) */
	if (hf_file_id_compare(&left, &head->target) == HF_SAME_YES || is_fresh == HF_SAME_UNSURE)
		return RENAMED;
	/* another process has removed the temporary name */
	if (hf_file_id_compare(&now, &head->target) == HF_SAME_YES)
		return NOT_RENAMED;
	return has_other_name(w->target, &head->fresh) ? RENAMED : NOT_KNOWN;
}

static enum hf_status settle_prepared(const struct work *w, struct hf_batch *batch,
				      const char *temporary, struct hf_err *err)
{
	switch (judge_prepared(w, batch, temporary)) {
	case RENAMED:
		batch->head.status = sys_fsync(w->target->dir) < 0 ? HF_UNCERTAIN : HF_OK;
		break;
	case NOT_RENAMED:
		return hf_batch_mark(batch, HF_SPOOL_ABANDONED, err);
	default:
		batch->head.status = HF_UNKNOWN;
	}
	return hf_batch_mark(batch, HF_SPOOL_DONE, err);
}

/* ---- one batch, and all ---------------------------------------------------------------------- */

static enum hf_status settle_open(const struct work *w, struct hf_batch *batch, struct hf_err *err)
{
	enum hf_spool_state state = batch->head.state;
	enum hf_status status = HF_OK;
	char temporary[NAME_MAX + 1];

	hf_side_name(w->target, "append", batch->head.number, temporary);
	if (HF_WITHOUT(settle) && state != HF_SPOOL_DONE)
		state = HF_SPOOL_CLOSED; /* as if nothing had been done */
	switch (state) {
	case HF_SPOOL_PREPARED:
		status = settle_prepared(w, batch, temporary, err);
		break;
	case HF_SPOOL_IN_PLACE:
		status = settle_in_place(w, batch, err);
		break;
	case HF_SPOOL_DONE:
	case HF_SPOOL_ABANDONED:
		break;
	default:
		status = hf_batch_mark(batch, HF_SPOOL_ABANDONED, err);
	}
	/* the new file, or by an exchange the old one, or nothing */
	if (status == HF_OK)
		hf_tempfile_reap(w->target, temporary);
	return status;
}

/* HF_NO: nothing under this name is left to be settled. */
static enum hf_status settle_one(struct work *w, const char *name, struct hf_err *err)
{
	struct hf_batch batch;
	enum hf_status status = hf_batch_open(w->target, &w->trust, name, w->wait, &batch, err);

	/* Another version of holdfast left it, or a power cut. That often leaves a name and no
	 * data, since only a batch in place is synced. */
	if (status == HF_DATA && batch.head.magic[0])
		hf_notice("removing '%s' beside '%s': it is damaged", name, w->target->path);
	if (status == HF_OK)
		status = settle_open(w, &batch, err);
	if (status == HF_OK || status == HF_DATA) {
		/* if the name cannot be removed, the next batch takes another one */
		hf_batch_finish(w->target, &batch);
		return HF_OK;
	}
	if (status != HF_NO && batch.fd >= 0)
		sys_close(batch.fd);
	return status;
}

/* Those whose names have a number. */
static enum hf_status settle_numbered(struct work *w, struct hf_err *err)
{
	DIR *dir = hf_side_list(w->target);
	enum hf_status status = HF_OK;
	const char *name;

	if (!dir) /* one that may be searched, and not read: nobody can find them */
		return HF_OK;
	while ((status == HF_OK || status == HF_NO) &&
	       (name = hf_side_next(dir, &w->trust, "batch")))
		status = settle_one(w, name, err);
	closedir(dir);
	if (status == HF_OK || status == HF_NO)
		hf_tempfile_reap_all(w->target, "append");
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_append_recover(const struct hf_target *target, const struct stat *st,
				 const struct hf_wait *wait, struct hf_err *err)
{
	struct work w = {.target = target, .st = st, .wait = wait};
	enum hf_status status = HF_OK;
	char name[NAME_MAX + 1];
	struct stat found;
	bool there;

	hf_trust_init(&w.trust, target, HF_TRUST_NAMED);
	hf_target_side(target, "batch", name);
	there = sys_fstatat(target->dir, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
	if (!there && errno != ENOENT)
		return cannot_finish(&w, err);
	if (there)
		status = settle_one(&w, name, err);
	if (status != HF_OK && status != HF_NO)
		return status;
	/* another name is taken only where this one stays, or could have been (S8) */
	if (there)
		there = sys_fstatat(target->dir, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
	return there || hf_side_may_vary(&w.trust) ? settle_numbered(&w, err) : HF_OK;
}
