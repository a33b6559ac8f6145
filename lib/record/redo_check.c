/* SPDX-License-Identifier: ISC */
#include "record/redo_check.h"

#include <string.h>

#include "base/sys.h"
#include "record/record_mark.h"

/* Identify the file and its directory, to compare them with the intent. */
static enum hf_status identify_file(const struct hf_record_file *f, char seen[HF_SEEN_SIZE],
				    char place[HF_SEEN_SIZE], struct hf_err *err)
{
	enum hf_status status = hf_mark_identify(f->present ? f->fd : -1, f->path, seen, err);

	return status == HF_OK ? hf_mark_identify(f->target.dir, f->path, place, err) : status;
}

/* The mark is gone (record/M7). */
static enum hf_redo_state judge_without_mark(const struct hf_record_locks *hold,
					     const struct hf_record_file *f, const char *found,
					     const char *seen, const char *place)
{
	const struct hf_intent_file *plan = f->plan;

	if (hf_mark_compare(plan->place, place) == HF_SAME_NO)
		return HF_REDO_SUPERSEDED;
	if (!*seen || !plan->seen[0] || hf_mark_compare(plan->seen, seen) == HF_SAME_NO)
		return HF_REDO_DONE;
	if (hf_mark_compare(plan->seen, seen) != HF_SAME_YES ||
	    strcmp(found, plan->old_sha256) != 0)
		return HF_REDO_SUPERSEDED;
	hf_record_locks_report(
		hold, "the mark beside '%s' was removed by another program; the record is appended",
		f->path);
	return HF_REDO_PENDING;
}

static enum hf_status judge_append(const struct hf_record_locks *hold, struct hf_record_file *f,
				   const char *found, struct hf_err *err)
{
	const struct hf_intent_file *plan = f->plan;
	char seen[HF_SEEN_SIZE], place[HF_SEEN_SIZE];
	enum hf_status status = identify_file(f, seen, place, err);

	if (status == HF_OK)
		status = hf_mark_look(&f->target, f->present ? f->fd : -1, plan->mark, plan->seen,
				      &f->found_mark, err);
	if (status != HF_OK)
		return status;
	if (HF_WITHOUT(mark))
		f->found_mark = strcmp(found, plan->new_sha256) != 0;
	if (!f->found_mark) {
		f->state = judge_without_mark(hold, f, found, seen, place);
		return HF_OK;
	}
	f->state = HF_REDO_PENDING;
	f->correct = strcmp(seen, plan->seen) != 0 || strcmp(place, plan->place) != 0 ||
		     strcmp(found, plan->old_sha256) != 0;
	if (plan->old_sha256[0] && !f->present)
		hf_record_locks_report(hold,
				       "'%s' was removed or moved in the meantime; it is recreated",
				       f->path);
	return HF_OK;
}

enum hf_status hf_redo_check(const struct hf_record_locks *hold, struct hf_record_file *f,
			     const char found[65], struct hf_err *err)
{
	const struct hf_intent_file *plan = f->plan;

	f->correct = f->found_mark = false;
	f->state = HF_REDO_DONE;
	if (plan->op == HF_RECORD_APPEND && plan->mark[0])
		return judge_append(hold, f, found, err);
	if (strcmp(found, plan->new_sha256) == 0 && (*found || plan->op != HF_RECORD_SNAPSHOT))
		return HF_OK;
	f->state = strcmp(found, plan->old_sha256) == 0 ? HF_REDO_PENDING : HF_REDO_SUPERSEDED;
	/* the image is made now: its hash identifies it later */
	f->correct = plan->op == HF_RECORD_SNAPSHOT && f->state == HF_REDO_PENDING;
	return HF_OK;
}
