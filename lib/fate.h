/* SPDX-License-Identifier: ISC */
#ifndef HF_FATE_H
#define HF_FATE_H

/*
 * What has become of one file of a record whose recorder died: asked by recovery, of the file as it
 * is now. It is seen, not remembered (recover.h):
 *
 *	replaced, removed	by its hash: that of before, or that which was to be, or neither
 *	a snapshot		the same; an absent one is still to be made
 *	appended to		what was there before is still its beginning: then the record is
 *				right behind it, or it was not appended. Else it was rewritten, and
 *				the record is looked for in all of it
 *
 * The caller holds the file's lock, and has looked at it (record_file.h). Reads the file, and
 * changes nothing; a file that was removed or rewritten meanwhile is reported (record_hold.h).
 * Errors: the file cannot be read. Not thread-safe.
 */

#include "record_file.h"
#include "record_hold.h"

enum hf_fate {
	HF_TO_DO,
	HF_IS_DONE,
	HF_STAYS, /* it is somebody else's by now: V1 of recover.h */
};

/* found is the hash of what is there, "" for nothing. *correct: before anything is done, the intent
 * must say what is there now, durably (V4). */
enum hf_status hf_fate_judge(const struct hf_hold *hold, const struct hf_record_file *f,
			     const char found[65], enum hf_fate *fate, bool *correct,
			     struct hf_err *err);

#endif
