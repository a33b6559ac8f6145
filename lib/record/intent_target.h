/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_PLACE_H
#define HF_RECORD_PLACE_H

/*
 * Find where an intent is to be finished, and decide whether it is trusted (record/V3, record/V5).
 *
 *	hf_intent_repo_find(), or hf_intent_repo_open(); hf_intent_is_trusted() before each change
 *
 * Changes nothing and never waits. A crash leaves nothing. Errors: those of hf_repo_open(). Not
 * thread-safe; not async-signal-safe.
 */

#include "record/record_locks.h"

/* Return the held repository of the intent: the worktree with the branch checked out, or else any
 * other worktree (*on_branch says which). NULL: none is held. */
struct hf_record_locks_repo *hf_intent_repo_find(struct hf_record_locks *hold,
						 const struct hf_intent *intent, bool *on_branch);

/* Open the worktree that the intent names, and add it to the hold. */
enum hf_status hf_intent_repo_open(struct hf_record_locks *hold, const struct hf_intent *intent,
				   struct hf_err *err);

/* Return true if all users who can write to the database may write here too (record/V5). path is a
 * directory or a file; if it does not exist, the nearest existing directory counts. */
bool hf_intent_is_trusted(const struct hf_record_locks *hold, const char *path);

/* The same for an open target: its directory, and the file itself. */
bool hf_place_trusts_target(const struct hf_record_locks *hold, const struct hf_target *target);

#endif
