/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_LOCKS_H
#define HF_GIT_LOCKS_H

/*
 * The locks that Git has in a repository: all of them, judged, and broken by proof.
 *
 * A lock of Git's is a file whose name ends in .lock, anywhere in the common directory, and no
 * reference can be called so:
 *
 *	index, next-index-PID, HEAD, MERGE_RR, …	of each worktree (worktrees/X/…)
 *	refs/heads/main, logs/…, packed-refs		references
 *	reftable/tables.list
 *	config, config.worktree, shallow, info/sparse-checkout
 *	gc.pid, objects/maintenance, objects/info/commit-graph, objects/info/commit-graphs/…,
 *	objects/pack/multi-pack-index, objects/info/alternates
 *
 * Other repositories in it (modules/), hooks, and the objects themselves are not looked through.
 * gitlock/git_evidence.h judges.
 *
 * What is stale goes to holdfast/quarantine/NAME.TIME.PID of the common directory, by the steps of
 * stale/lock_break.h: never deleted, and never inside refs/, where `main.lock.x` would be a branch.
 * The directory holdfast/ has the mode of the common directory; whoever may write there may use it.
 *
 * Nothing is waited for. Thread-safe.
 */

#include <stdbool.h>

#include "stale/lock_break.h"
#include "gitlock/git_holders.h"

struct hf_git_lock {
	char path[PATH_MAX]; /* absolute */
	char what[PATH_MAX]; /* from the common directory, without .lock: "refs/heads/main" */
	struct hf_evidence evidence;
};

/* Calls each() for every lock, until it returns false. Of options, stale_after and alone. HF_NOPERM
 * and others: a directory could not be read; what could was gone through. */
enum hf_status hf_git_locks_each(const struct hf_gitdir *git,
				 const struct hf_break_options *options,
				 bool (*each)(void *context, const struct hf_git_lock *lock),
				 void *context, struct hf_err *err);

/* Break the lock at this absolute path, if it is stale. seen: as in gitlock/git_evidence.h. */
enum hf_status hf_git_lock_break(const struct hf_gitdir *git, const char *path,
				 const struct hf_git_seen *seen,
				 const struct hf_break_options *options,
				 struct hf_break_result *broken, struct hf_err *err);

/* Is this the path of a lock of Git's, in a repository that is found from it? HF_OK fills git, and
 * the absolute path. HF_NO: it is none. Else it cannot be told now; a lock of Git's must not be
 * judged as a dotlock would be. */
enum hf_status hf_git_lock_is(const char *path, struct hf_gitdir *git, char absolute[PATH_MAX],
			      struct hf_err *err);

/* The directory holdfast/ of the repository, made if it is absent; *common is the stat of the
 * common directory. -1: *status and err say why. */
int hf_git_own_dir(const struct hf_gitdir *git, struct stat *common, enum hf_status *status,
		   struct hf_err *err);

#endif
