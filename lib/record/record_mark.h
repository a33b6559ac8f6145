/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_MARK_H
#define HF_RECORD_MARK_H

/*
 * The mark of an append that belongs to a record. After a crash it shows whether the append was
 * done. README.md has the protocol and its invariants (record/M1 to
 * record/M7).
 *
 *	run		hf_mark_database(), hf_mark_name(), hf_mark_put(), COMMIT, hf_mark_take()
 *	recovery	hf_mark_look(), hf_mark_replace(), hf_mark_take()
 *
 * The caller holds the database's turnstile, and FILE's lock if FILE exists. Never waits. A crash
 * leaves the mark, and in recovery also a temporary name. Errors: HF_BUSY with errnum EEXIST if
 * FILE was created, replaced or moved since it was locked, or if the mark is gone; else
 * holdfast/err.h. Not for two threads on one FILE; not async-signal-safe.
 */

#include "base/file_id.h"
#include "record/intent.h"
#include <holdfast/path.h>

/* Make the ID of the database at this path, which exists. */
enum hf_status hf_mark_database(const char *database, char id[HF_MARK_ID], struct hf_err *err);

/* The end of a mark's name: "ID.record", or with slot > 0 "ID-SLOT.record". */
void hf_mark_name(const char id[HF_MARK_ID], unsigned int slot, char mark[HF_MARK_SIZE]);

/* Write the identity of a file or a directory (base/file_id.h). "" if fd is -1. */
enum hf_status hf_mark_identify(int fd, const char *path, char seen[HF_SEEN_SIZE],
				struct hf_err *err);

/* Compare two identities. */
enum hf_same hf_mark_compare(const char *a, const char *b);

/* Give the staged file fd the mark as its only name. name is the one that it has, or "". old is
 * the target, or -1. HF_NO: another user's file has this name, use another slot. */
enum hf_status hf_mark_put(const struct hf_target *target, int old, int fd, const char *name,
			   const char *mark, struct hf_err *err);

/* Set *there if the append is still to be done (record/M2). seen is the file that FILE was before,
 * "" for none. old is the target, or -1. A mark that is the old file itself is removed. */
enum hf_status hf_mark_look(const struct hf_target *target, int old, const char *mark,
			    const char *seen, bool *there, struct hf_err *err);

/* For recovery: put fd, which is staged and synced, in place of the mark. */
enum hf_status hf_mark_replace(const struct hf_target *target, int fd, const char *name,
			       const char *mark, struct hf_err *err);

/* Make the mark, which fd has open, the target. old is the target's state as locked; NULL: it is
 * absent. */
enum hf_status hf_mark_take(const struct hf_target *target, int fd, const struct stat *old,
			    const char *mark, struct hf_err *err);

/* Remove the mark of a record that is not made, or that is discarded. */
void hf_mark_remove(const struct hf_target *target, const char *mark);

#endif
