/* SPDX-License-Identifier: ISC */
#ifndef HF_RECOVER_H
#define HF_RECOVER_H

/*
 * Recovery: what a recorder that died left unfinished is finished, forward, by whoever comes next.
 *
 * An intent (record/intent.h) was durable before anything else was changed, so all that it asks for
 * will be done. What was done already is seen, not remembered:
 *
 *	the commit	a commit that bears the record's id, between the branch's tip and the tip
 *			that was seen. If it is there, so is the rest (record/record.h, R3), but for
 *			what a prune has taken away since: that is made anew (record/redo.h)
 *	a file		by its content: that of before, or that which is to be
 *	an append	by its mark (record/record_mark.h), whatever the file has by now
 *
 * V1  Nothing that somebody else has made since is overwritten. A file that is neither as before
 *     nor as it is to be stays as it is. The recorded content is in the commit; without a
 *     repository it is put beside, as NAME.record-ID. Both are reported, and the rest goes on.
 * V2  What others have appended stays before the record. What others have committed of the same
 *     paths stays in HEAD, upon the record's commit (record/record_commit.h). What the user has
 *     staged otherwise stays staged.
 * V3  Nothing is guessed, and nothing dropped but by a user (record/record_drop.h). A record is
 * left, and
 *     reported, if its repository is another than the one given (a copy is another one, where both
 *     are there), is not there, or in the middle of a merge; if the branch it was made on is not
 *     checked out there, now; or if it was made by a newer holdfast. It is still there when that
 *     has changed.
 * V4  Recovery may die too. Where a file is another one than the intent says, since others came
 *     before, the intent is first brought up to date, durably.
 * V5  An intent is finished only if all users who could have written it may make its changes by
 *     their own rights. Those users may write to the database's file, or may put a journal or a log
 *     beside it, which SQLite plays in. With a repository, they must be able to write to its common
 *     directory, and the intent can change only what a commit there may change: each path is
 *     checked again, before anything is made of it. Without one, they must be able to make files in
 *     each target's directory, and to write the target. Owner, mode and ACL decide (base/access.h).
 *     No file that an intent creates is setuid or setgid.
 * V6  The database itself, its log and its turnstile are never replaced.
 *
 * The caller has taken the hold (record/record_locks.h), and a transaction has begun. If what is to
 * be done needs more than is held, that is wanted, and HF_NO returned: take it again. So too when
 * something was finished: it is committed, and files that are locked may have other inodes by now.
 *
 * Errors: what stands in the way, of a record that could be finished. Nothing is lost by it: the
 * intent stays.
 */

#include "record/record_locks.h"

struct hf_recovery {
	struct hf_record_locks *hold;
	bool others; /* records of other repositories too: found where the intent says */
	size_t finished, left;

	/* The caller's own record, which it could not finish itself: nothing is said of it. */
	const char *own; /* its id; NULL: it has none */
	char own_commit[HF_OID_SIZE];
	bool own_left;	/* it could not be finished */
	bool own_stays; /* it is finished, but for a file that another program has changed */

	struct hf_recovery_files *files; /* of the intents that were seen, for their locks */
	size_t file_count;
	char (*told)[HF_RECORD_ID]; /* those whose leaving was reported */
	size_t told_count;
};

/* HF_OK: none is left that can be finished, and nothing was done. HF_NO: give back, take, and ask
 * again. */
enum hf_status hf_record_recover_all(struct hf_recovery *r, struct hf_err *err);

/* The hold wants none of its files any more: they are opened again when they are needed. */
void hf_recovery_forget(struct hf_recovery *r);

void hf_recovery_end(struct hf_recovery *r);

#endif
