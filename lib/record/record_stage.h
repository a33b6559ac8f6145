/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_STAGE_H
#define HF_RECORD_STAGE_H

/*
 * Make all that a record needs before its COMMIT, except the rows: the new files, the marks of its
 * appends (record_mark.h), the objects, and the new index. Every failure that can come, comes
 * here.
 *
 *	hf_record_locks_acquire(), hf_intent_prepare(), hf_record_stage(), hf_commit_point()
 *	without a COMMIT: hf_record_unstage()
 *
 * After HF_OK all of that is durable, and the intent says what is to be done. Nothing leads to it
 * yet except the marks. The caller holds everything (record_locks.h), in a transaction. A crash
 * leaves marks, index.lock and index.holdfast, which the next run removes, and objects that
 * nothing leads to. Blocks and errors: those of the files, the repository and the database. For
 * single-threaded tools.
 */

#include "record/redo.h"

/* Stage. redo has the hold, the intent, its open files, and the repository. */
enum hf_status hf_record_stage(struct hf_redo *redo, struct hf_err *err);

/* Discard what was staged for a COMMIT that is not tried. */
void hf_record_unstage(struct hf_redo *redo);

/* Return true if the intent has a snapshot. A snapshot is made after the rows are committed, so all
 * steps after the COMMIT are then done as recovery does them. */
bool hf_record_has_snapshot(const struct hf_intent *intent);

#endif
