/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_STAGE_H
#define HF_RECORD_STAGE_H

/*
 * All that a record makes before its COMMIT, beside the rows: the new files, the marks of its
 * appends (record/record_mark.h), the objects, and the new index. What can fail, fails here.
 *
 * When it has succeeded, all of that is durable, and the intent says what is to be done. Nothing
 * leads to it yet but the marks. The caller holds everything that is touched
 * (record/record_locks.h), in a transaction, and the tables of the intent are made there.
 *
 * A crash leaves marks, index.lock and index.holdfast, which the next recorder removes, and objects
 * to which nothing leads. Blocks and errors: those of the files, the repository and the database.
 */

#include "record/redo.h"

/* redo has the hold, the intent, its files, open, and the repository. */
enum hf_status hf_record_stage(struct hf_redo *redo, struct hf_err *err);

/* Give back what was staged for a COMMIT that is not tried. */
void hf_record_unstage(struct hf_redo *redo);

/* A snapshot is made when the rows are committed: then all that comes after the COMMIT is done as
 * recovery does it. */
bool hf_record_has_snapshot(const struct hf_intent *intent);

#endif
