/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_THEIRS_H
#define HF_RECORD_THEIRS_H

/*
 * What others have committed of a record's paths, between the tip that the recorder saw and the one
 * upon which its commit is made at last. Their commits came after the record, which was durable by
 * then: so the paths are put back upon the record's commit, as they committed them
 * (record/record_commit.h). An append has nothing to be put back: what is committed is the file
 * with all that it has.
 *
 * Makes objects, which nothing leads to yet; a crash leaves these. Blocks and errors are
 * git/repo.h's.
 */

#include "record/intent.h"
#include "git/repo.h"

/* ours is what the record changes, in the intent's order, and commit its commit upon tip. is_kept
 * has a place for each of the intent's files, and says which are theirs. result is the commit to
 * move to: the record's, or the one that puts them back. */
enum hf_status hf_record_reapply(struct hf_repo *repo, const struct hf_intent *intent,
				 const struct hf_repo_change *ours, const char *commit,
				 const char *tip, bool *is_kept, char result[HF_OID_SIZE],
				 struct hf_err *err);

#endif
