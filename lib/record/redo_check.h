/* SPDX-License-Identifier: ISC */
#ifndef HF_FATE_H
#define HF_FATE_H

/*
 * Decide the redo state of one file of an unfinished record: by its hash, or of an append by its
 * mark (README.md, Recovery). An intent of version 1 has no mark and is decided by hash.
 *
 *	hf_record_file_look(), hf_redo_check()
 *
 * The caller holds the file's lock, and has checked the file (record_file.h). Removes only a mark
 * that is a leftover, and reports a removed file (record_locks.h). Never waits. A crash leaves
 * nothing. Errors: the file's state cannot be read. Not thread-safe; not async-signal-safe.
 */

#include "record/record_file.h"
#include "record/record_locks.h"

enum hf_redo_state {
	HF_REDO_PENDING,
	HF_REDO_DONE,
	/* another program has changed it (record/V1, record/M7) */
	HF_REDO_SUPERSEDED,
};

/* `found` is the hash of the present content, "" if absent. *correct: before anything is done, the
 * intent must say durably what exists now (record/V4). */
enum hf_status hf_redo_check(const struct hf_record_locks *hold, struct hf_record_file *f,
			     const char found[65], enum hf_redo_state *fate, bool *correct,
			     struct hf_err *err);

#endif
