/* SPDX-License-Identifier: ISC */
#include "record/commit_point.h"

/* Insert a row and delete it, in one durable transaction (record/R7). */
static enum hf_status overwrite_log(struct hf_record_locks *hold, struct hf_err *err)
{
	const struct hf_intent nothing = {.id = "00000000000000000000000000000000"};
	enum hf_status status = hf_record_locks_begin(hold, true, err);

	if (status == HF_OK)
		status = hf_intent_prepare(hold->db, err);
	if (status == HF_OK)
		status = hf_intent_insert(hold->db, &nothing, err);
	if (status == HF_OK)
		status = hf_intent_delete(hold->db, nothing.id, err);
	return status == HF_OK ? hf_db_commit(hold->db, err) : status;
}

/* The COMMIT has failed, and may have taken effect (record/R7). HF_OK: it has. */
static enum hf_status resolve_failed_commit(struct hf_record_locks *hold, const char *id,
					    struct hf_err *err)
{
	struct hf_err own;
	enum hf_status status;

	hf_db_rollback(hold->db);
	status = overwrite_log(hold, &own);
	if (status == HF_OK)
		status = hf_intent_find(hold->db, id, &own);
	hf_db_rollback(hold->db);
	if (status == HF_OK)
		return HF_OK;
	if (status == HF_NO)
		return hf_fail(err, HF_IO, "cannot record in '%s': I/O error at the commit",
			       hold->database);
	hf_fail(err, HF_UNKNOWN, "cannot commit to '%s', nor see what became of it: %s",
		hold->database, own.message);
	hf_advise(err,
		  "when the disk is well again, atomic-record --recover --dry-run --sqlite "
		  "'%s' tells whether it is recorded",
		  hold->database);
	return HF_UNKNOWN;
}

enum hf_status hf_commit_point(struct hf_record_locks *hold, const struct hf_intent *intent,
			       struct hf_err *err)
{
	enum hf_status status = HF_OK;

	if (intent->file_count)
		status = hf_intent_insert(hold->db, intent, err);
	if (status != HF_OK)
		return status;
	status = hf_db_commit(hold->db, err);
	if (status != HF_UNCERTAIN && status != HF_UNKNOWN)
		return status;
	if (intent->file_count)
		return resolve_failed_commit(hold, intent->id, err);
	hf_advise(err, "do not simply try again: look whether the rows are there");
	err->status = HF_UNKNOWN;
	return HF_UNKNOWN;
}
