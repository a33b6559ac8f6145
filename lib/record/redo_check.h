/* SPDX-License-Identifier: ISC */
#ifndef HF_FATE_H
#define HF_FATE_H

/*
 * What has become of one file of a record whose recorder died. Recovery (record/recovery.h) asks
 * this of the file as it is now:
 *
 *	replaced, removed	by its hash: that of before, or that which was to be, or neither
 *	a snapshot		the same; an absent one is still to be made
 *	appended to		by its mark (record_mark.h), never by its content. An intent of
 *				version 1 has no mark, and is judged by hash like a replaced file
 *
 * The caller holds the file's lock, and has looked at it (record/record_file.h). Changes nothing
 * but a mark that is only a leftover; a file that was removed meanwhile is reported
 * (record/record_locks.h). Errors: the state of the file cannot be read. Not thread-safe.
 */

#include "record/record_file.h"
#include "record/record_locks.h"

enum hf_redo_state {
	HF_REDO_PENDING,
	HF_REDO_DONE,
	/* another program has changed it (record/recovery.h, V1; record/record_mark.h, M7) */
	HF_REDO_SUPERSEDED,
};

/* found is the hash of what is there, "" for nothing. *correct: before anything is done, the intent
 * must say what is there now, durably (V4). */
enum hf_status hf_redo_check(const struct hf_record_locks *hold, struct hf_record_file *f,
			     const char found[65], enum hf_redo_state *fate, bool *correct,
			     struct hf_err *err);

#endif
