/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_PLACE_H
#define HF_RECORD_PLACE_H

/*
 * Where an intent that was found is to be finished, and whether it may be believed
 * (record/recovery.h, V3 and V5).
 *
 * A repository is known by its identity (hf_repo_id()), so that it is found after it was moved. A
 * copy has the identity too: where the original is still there, the copy is not meant. Of several
 * worktrees the one is meant in which the record's branch is checked out.
 *
 * Nothing is changed, and nothing waited for. Errors: those of hf_repo_open(). Not thread-safe.
 */

#include "record/record_locks.h"

/* Among those that are held: the one with the branch checked out, or else any of that repository
 * (*on_branch says which); NULL: none. */
struct hf_record_locks_repo *hf_intent_repo_find(struct hf_record_locks *hold,
						 const struct hf_intent *intent, bool *on_branch);

/* The worktree that the intent names, as one more of those that are held. */
enum hf_status hf_intent_repo_open(struct hf_record_locks *hold, const struct hf_intent *intent,
				   struct hf_err *err);

/* V5: may all users who can write to the database write here too? It is a directory, or a file; if
 * there is nothing yet, the nearest directory that is there counts. */
bool hf_intent_is_trusted(const struct hf_record_locks *hold, const char *path);

/* The same of a target that is open: its directory, and what is there. */
bool hf_place_trusts_target(const struct hf_record_locks *hold, const struct hf_target *target);

#endif
