/* SPDX-License-Identifier: ISC */
#include "record/commit_point.h"

/* The COMMIT has taken effect, but may not be durable (sqlite/D2). Make it so by another, durable
 * transaction, an intent that is inserted and deleted; then the database must have the intent. */
static enum hf_status confirm_commit(struct hf_record_locks *hold, const char *id,
				     struct hf_err *err)
{
	const struct hf_intent nothing = {.id = "00000000000000000000000000000000"};
	enum hf_status status = hf_record_locks_begin(hold, true, err);

	if (status == HF_OK)
		status = hf_intent_insert(hold->db, &nothing, err);
	if (status == HF_OK)
		status = hf_intent_delete(hold->db, nothing.id, err);
	if (status == HF_OK)
		status = hf_db_commit(hold->db, err);
	if (status == HF_OK)
		status = hf_intent_find(hold->db, id, err);
	hf_db_rollback(hold->db);
	return status == HF_OK ? HF_OK : HF_UNKNOWN;
}

enum hf_status hf_commit_point(struct hf_record_locks *hold, const struct hf_intent *intent,
			       struct hf_err *err)
{
	bool has_intent = intent->file_count > 0;
	enum hf_status status = has_intent ? hf_intent_insert(hold->db, intent, err) : HF_OK;
	struct hf_err own;

	if (status != HF_OK)
		return status;
	status = hf_db_commit(hold->db, err);
	if (status == HF_UNCERTAIN)
		status = has_intent ? confirm_commit(hold, intent->id, &own) : HF_UNKNOWN;
	if (status != HF_UNKNOWN)
		return status;
	err->status = HF_UNKNOWN;
	if (has_intent)
		hf_advise(err,
			  "when the disk works again, atomic-record --recover --dry-run --sqlite "
			  "'%s' shows whether it is recorded",
			  hold->database);
	else
		hf_advise(err, "before you try again, check whether the rows are there");
	return HF_UNKNOWN;
}
