/* SPDX-License-Identifier: ISC */
#ifndef HF_REDO_H
#define HF_REDO_H

/*
 * The steps behind the commit point: files, index, ref; and the intent goes.
 *
 * A snapshot of the database is always made here, when its rows are committed: it is an image of
 * what is there by then, without intents, and needs no other record of what it has.
 *
 * hf_redo() is for the recorder itself, which has all of it staged. hf_redo_found() is for who
 * finds an intent: it asks of each file what has become of it (record/recovery.h, V1 to V4), stages
 * what is still to be done, and then does the same.
 *
 * A commit that is there may lack objects: its recorder was killed behind the ref, before it had
 * kept them from a prune that had looked before (git/prune_guard.h). Even the commit itself may be
 * gone; then the branch leads to nothing, and its log says upon what it stood. So hf_redo_found()
 * looks whether all is there that the commit has of the record's paths, and makes it anew from the
 * intent if not, or if somebody may be pruning: the same contents upon the same commit give the
 * same names. What cannot be made again (a file was appended to, and has been rewritten since; a
 * commit that was signed is gone) is left.
 *
 * The caller holds everything that is touched (record/record_locks.h). Neither ends the transaction
 * that deletes the intent, and so neither makes that durable; hf_redo_found() may, before anything
 * is changed, commit a correction of the intent and begin another one.
 *
 * A crash at any point leaves the intent. Errors: what could not be done; the rest is not tried.
 */

#include "record/record_commit.h"
#include "record/record_locks.h"

struct hf_redo {
	struct hf_record_locks *hold;
	struct hf_intent *intent;
	struct hf_record_file *files; /* as many as the intent has, in its order */
	struct hf_repo *repo;	      /* NULL: no commit is made */
	struct hf_record_git git;     /* staged; for hf_redo() */
	char commit[HF_OID_SIZE]; /* the record's, when it is in the branch */
	bool switched; /* by hf_record_stage(): a Git is about to switch branches */
	bool stays; /* a file is not as it was to be, since another program has changed it */
};

/* Files, index and ref. */
enum hf_status hf_redo(struct hf_redo *redo, const char *tip, struct hf_err *err);

/* All that is not done yet, and delete the intent. */
enum hf_status hf_redo_found(struct hf_redo *redo, struct hf_err *err);

#endif
