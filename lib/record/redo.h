/* SPDX-License-Identifier: ISC */
#ifndef HF_REDO_H
#define HF_REDO_H

/*
 * The steps after the commit point: files, index, ref; then the intent is deleted.
 *
 *	hf_redo()		the run itself, which has everything staged
 *	hf_redo_found()		a process that found the intent: decide the redo state of each file,
 *				stage what is pending, and do the same; a snapshot is made here
 *
 * README.md has the protocol, and says when objects are made again. The caller holds everything
 * (record_locks.h), in a transaction. Neither function commits the deletion of the intent; before
 * any change hf_redo_found() may commit a correction of the intent and begin another transaction.
 * A crash at any point leaves the intent. Blocks and errors: those of the files, the repository
 * and the database; after an error the rest is not tried. For single-threaded tools.
 */

#include "record/record_commit.h"
#include "record/record_locks.h"

struct hf_redo {
	struct hf_record_locks *hold;
	struct hf_intent *intent;
	struct hf_record_file *files; /* as many as the intent has, in its order */
	struct hf_repo *repo;	      /* NULL: no commit is made */
	struct hf_record_git git;     /* staged, for hf_redo() */
	char commit[HF_OID_SIZE];     /* the record's, when it is in the branch */
	bool switched; /* by hf_record_stage(): a Git process is about to switch branches */
	bool stays;    /* a file is not as it was to be, since another program has changed it */
};

/* Apply the files, the index and the ref. */
enum hf_status hf_redo(struct hf_redo *redo, struct hf_err *err);

/* Do all that is pending, and delete the intent. */
enum hf_status hf_redo_found(struct hf_redo *redo, struct hf_err *err);

#endif
