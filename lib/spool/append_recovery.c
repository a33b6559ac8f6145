/* SPDX-License-Identifier: ISC */
#include "spool/append_recovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "base/sys.h"
#include "base/tempfile.h"
#include "spool/append_in_place.h"

/* The target whose batches are recovered. */
struct work {
	const struct hf_target *target;
	const struct stat *st; /* NULL: absent */
	const struct hf_wait *wait;
	struct hf_trust trust;
};

static enum hf_status fail_cannot_finish(const struct work *w, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot finish the last append to '%s'", w->target->path);
}

static bool has_other_name(const struct hf_target *target, const struct hf_file_id *wanted)
{
	int fd = hf_file_id_find(target, wanted, O_PATH);

	hf_close(fd);
	return fd >= 0;
}

/* ---- in place -------------------------------------------------------------------------------- */

/* Set *state and batch->head.status by the content of the file. */
static enum hf_status judge_tail(int fd, bool cuts, struct hf_batch *batch,
				 enum hf_spool_state *state, struct hf_err *err)
{
	enum hf_tail tail;
	enum hf_status status = hf_in_place_compare(fd, batch, &tail, err);

	*state = HF_SPOOL_ABANDONED;
	if (status == HF_DATA) { /* the batch cannot be read */
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

/* Return true if all users who could have written the batch may write this file too. */
static bool submitters_may_write(const struct hf_batch *batch, int fd)
{
	struct hf_access batch_access, access;

	return hf_access_read(&batch_access, batch->fd, batch->target->path, NULL) == HF_OK &&
	       hf_access_read(&access, fd, batch->target->path, NULL) == HF_OK &&
	       hf_access_within(&batch_access, &access, W_OK, geteuid());
}

/* Open the file under the name that it was moved to, or return -1. A torn batch can have whole
 * records at its beginning, whose submitters append them again. A torn tail is therefore cut off
 * there too (*cuts), if the file can be locked soon. */
static int open_rotated(const struct work *w, const struct hf_batch *batch, bool *cuts)
{
	int fd = hf_file_id_find(w->target, &batch->head.target, O_RDWR);

	*cuts = fd >= 0 && !HF_WITHOUT(rotated) && submitters_may_write(batch, fd) &&
		hf_spool_lock_soon(fd);
	return fd >= 0 ? fd : hf_file_id_find(w->target, &batch->head.target, O_RDONLY);
}

static enum hf_status recover_in_place(const struct work *w, struct hf_batch *batch,
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
		return fail_cannot_finish(w, err);
	if (fd >= 0)
		status = judge_tail(fd, cuts, batch, &state, err);
	else
		batch->head.status = HF_UNKNOWN;
	hf_close(fd);
	return status == HF_OK ? hf_batch_mark(batch, state, err) : status;
}

/* ---- by a new file --------------------------------------------------------------------------- */

enum rename_outcome { RENAMED, NOT_RENAMED, NOT_KNOWN };

static enum rename_outcome find_rename_outcome(const struct work *w, const struct hf_batch *batch,
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
	/* the names were exchanged (atomic/publish.h) */
	if (hf_file_id_compare(&left, &head->target) == HF_SAME_YES || is_fresh == HF_SAME_UNSURE)
		return RENAMED;
	/* another process has removed the temporary name */
	if (hf_file_id_compare(&now, &head->target) == HF_SAME_YES)
		return NOT_RENAMED;
	return has_other_name(w->target, &head->fresh) ? RENAMED : NOT_KNOWN;
}

static enum hf_status recover_prepared(const struct work *w, struct hf_batch *batch,
				       const char *temporary, struct hf_err *err)
{
	switch (find_rename_outcome(w, batch, temporary)) {
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

static enum hf_status recover_opened_batch(const struct work *w, struct hf_batch *batch,
					   struct hf_err *err)
{
	enum hf_spool_state state = batch->head.state;
	enum hf_status status = HF_OK;
	char temporary[NAME_MAX + 1];

	hf_side_name(w->target, "append", batch->head.number, temporary);
	if (HF_WITHOUT(settle) && state != HF_SPOOL_DONE)
		state = HF_SPOOL_CLOSED; /* fault build: as if nothing had been done */
	switch (state) {
	case HF_SPOOL_PREPARED:
		status = recover_prepared(w, batch, temporary, err);
		break;
	case HF_SPOOL_IN_PLACE:
		status = recover_in_place(w, batch, err);
		break;
	case HF_SPOOL_DONE:
	case HF_SPOOL_ABANDONED:
		break;
	default:
		status = hf_batch_mark(batch, HF_SPOOL_ABANDONED, err);
	}
	/* the new file, after an exchange the old one, or nothing */
	if (status == HF_OK)
		hf_tempfile_reap(w->target, temporary);
	return status;
}

/* HF_NO: no batch of this name is left. */
static enum hf_status recover_named_batch(struct work *w, const char *name, struct hf_err *err)
{
	struct hf_batch batch;
	enum hf_status status = hf_batch_open(w->target, &w->trust, name, w->wait, &batch, err);

	/* Damaged by a power cut, or of another version of holdfast. A power cut often leaves a
	 * name without data, since only a batch in place is synced: no notice for that. */
	if (status == HF_DATA && batch.head.magic[0])
		hf_notice("removing '%s' beside '%s': it is damaged", name, w->target->path);
	if (status == HF_OK)
		status = recover_opened_batch(w, &batch, err);
	if (status == HF_OK || status == HF_DATA) {
		/* if the name cannot be removed, the next batch takes another one */
		hf_batch_finish(&batch);
		return HF_OK;
	}
	hf_batch_close(&batch);
	return status;
}

/* Recover the batches whose names have a number. */
static enum hf_status recover_numbered_batches(struct work *w, struct hf_err *err)
{
	DIR *dir = hf_side_list(w->target);
	enum hf_status status = HF_OK;
	const char *name;

	if (!dir) /* without read permission for the directory they cannot be found */
		return HF_OK;
	while ((status == HF_OK || status == HF_NO) &&
	       (name = hf_side_next(dir, &w->trust, "batch")))
		status = recover_named_batch(w, name, err);
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
		return fail_cannot_finish(&w, err);
	if (there)
		status = recover_named_batch(&w, name, err);
	if (status != HF_OK && status != HF_NO)
		return status;
	/* a name with a number is used only if this one cannot be removed (spool/S8) */
	if (there)
		there = sys_fstatat(target->dir, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
	return there || hf_side_may_vary(&w.trust) ? recover_numbered_batches(&w, err) : HF_OK;
}
