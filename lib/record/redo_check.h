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

/* Set f->state, f->found_mark and f->correct. `found` is the hash of the present content, "" if
 * absent. */
enum hf_status hf_redo_check(const struct hf_record_locks *hold, struct hf_record_file *f,
			     const char found[65], struct hf_err *err);

#endif
