/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_THEIRS_H
#define HF_RECORD_THEIRS_H

/*
 * Put back what other processes have committed of a record's paths, between the tip that the run
 * saw and the tip on which its commit is finally made.
 *
 *	hf_record_git_stage() on the new tip, hf_record_reapply(), move the ref to result
 *
 * The record was durable before those commits, so their version of the paths goes on top of the
 * record's commit. An append has nothing to put back: the committed content is the file with all
 * that it has. Makes objects that nothing leads to yet; a crash leaves these. Blocks and errors
 * are git/repo.h's. For single-threaded tools.
 */

#include "record/record_file.h"
#include "git/repo.h"

/* `ours` are the record's changes, in the intent's order; `commit` is its commit on `tip`.
 * `reapplied` is set in those of its files whose other version is put back. `result` is the commit
 * to move to: the record's, or the one that puts them back. */
enum hf_status hf_record_reapply(struct hf_repo *repo, const struct hf_intent *intent,
				 const struct hf_repo_change *ours, const char *commit,
				 const char *tip, struct hf_record_file *files,
				 char result[HF_OID_SIZE], struct hf_err *err);

#endif
