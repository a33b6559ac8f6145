/* SPDX-License-Identifier: ISC */
#ifndef HF_COMMIT_POINT_H
#define HF_COMMIT_POINT_H

/*
 * The COMMIT of a record, which has the intent in it, and what to make of one that fails
 * (record/record.h,
 * R1 and R7).
 *
 * SQLite does not take back what it could not sync: the transaction may be in the log, whole, and a
 * later recovery of the log may find it. To say "nothing was done" would then be wrong, and to say
 * "done" as well. So another transaction is put in its place, an intent that is inserted and
 * deleted, which is durable or fails; after that the database itself tells whether the record is
 * there.
 *
 * Blocks nobody but those whom the transaction does. A crash leaves the record there, or not.
 */

#include "record/intent.h"
#include "record/record_locks.h"

/* The tables are there, if the intent has files (hf_intent_prepare()). HF_OK: the transaction of
 * hold->db is committed, durably, with the intent if it has files. HF_UNKNOWN: it cannot be told.
 * Anything else: nothing was done. */
enum hf_status hf_commit_point(struct hf_record_locks *hold, const struct hf_intent *intent,
			       struct hf_err *err);

#endif
