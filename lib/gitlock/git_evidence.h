/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_EVIDENCE_H
#define HF_GIT_EVIDENCE_H

/*
 * Is a lock of Git stale? Collect the evidence and give a verdict.
 *
 * A lock is held until its maker is proved dead; README.md has the rules (gitlock/G1 to G8). With
 * `alone` and an age limit, UNKNOWN becomes STALE when the lock is older than the limit.
 *
 * The verdict is a snapshot; a caller that acts on STALE follows the rule of stale/lock_break.h.
 * Inspects all processes; takes a second at most. Changes nothing. Thread-safe.
 */

#include "gitlock/git_holders.h"
#include "stale/evidence.h"

struct hf_git_stale_query {
	const struct hf_gitdir *git;	/* of the lock's worktree; for a shared lock any */
	int dir;			/* the lock's directory */
	const char *name;		/* its name in that directory */
	const char *path;		/* of the lock, absolute */
	bool index;			/* the lock is that of git->index */
	const struct hf_git_seen *seen; /* this lock or an earlier one; NULL: none was seen */
};

/* Judge the lock that of->fd has open. of->place is not used. For HELD evidence->pid is the
 * holder. */
void hf_git_evidence_judge(const struct hf_stale_query *of, const struct hf_git_stale_query *git,
			   struct hf_evidence *evidence);

#endif
