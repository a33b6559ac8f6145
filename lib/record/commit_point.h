/* SPDX-License-Identifier: ISC */
#ifndef HF_COMMIT_POINT_H
#define HF_COMMIT_POINT_H

/*
 * The COMMIT of a record, which contains the intent, and what a failed COMMIT means (record/R1,
 * record/R7).
 *
 *	hf_record_locks_acquire(), the user's SQL, hf_record_stage(), hf_commit_point()
 *
 * Blocks no process that the transaction does not block. A crash leaves the record committed, or
 * not. Errors: below. One thread; not async-signal-safe.
 */

#include "record/intent.h"
#include "record/record_locks.h"

/* Commit the transaction of hold->db. If the intent has files, it is inserted, and its tables exist
 * (hf_intent_prepare()). HF_OK: committed and durable. HF_UNKNOWN: nothing can tell whether it was
 * committed. Any other status: nothing was done. */
enum hf_status hf_commit_point(struct hf_record_locks *hold, const struct hf_intent *intent,
			       struct hf_err *err);

#endif
