/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_LOCKS_H
#define HF_GIT_LOCKS_H

/*
 * List the locks that Git has in a repository, judge them, and break a stale one.
 *
 * README.md lists the files. gitlock/git_evidence.h judges a lock. A stale lock moves to
 * holdfast/quarantine/NAME.TIME.PID of the common directory, by the steps of stale/lock_break.h.
 *
 * Waits for nothing. Thread-safe.
 */

#include <stdbool.h>

#include "gitlock/git_holders.h"
#include "stale/lock_break.h"

struct hf_git_lock {
	char path[PATH_MAX]; /* absolute */
	char what[PATH_MAX]; /* from the common directory, without .lock: "refs/heads/main" */
	struct hf_evidence evidence;
};

/* Judge every lock and call each() for it, until it returns false. Of options, only stale_after and
 * alone are used. HF_NOPERM and others: a directory could not be read; the others were. */
enum hf_status hf_git_locks_each(const struct hf_gitdir *git,
				 const struct hf_break_options *options,
				 bool (*each)(void *context, const struct hf_git_lock *lock),
				 void *context, struct hf_err *err);

/* Break the lock at this absolute path if it is stale. seen: as in gitlock/git_evidence.h. */
enum hf_status hf_git_lock_break(const struct hf_gitdir *git, const char *path,
				 const struct hf_git_seen *seen,
				 const struct hf_break_options *options,
				 struct hf_break_result *broken, struct hf_err *err);

/* Find out whether path is a lock of Git, in a repository that is found from it. HF_OK: it is; *git
 * and the absolute path are set. HF_NO: it is not. Other: unknown at the moment; do not judge it as
 * a dotlock. */
enum hf_status hf_git_lock_is(const char *path, struct hf_gitdir *git, char absolute[PATH_MAX],
			      struct hf_err *err);

/* Open the directory holdfast/ of the repository, and create it if it is absent. Return
 * -1 on failure, with *status and err set. */
int hf_git_own_dir(const struct hf_gitdir *git, enum hf_status *status, struct hf_err *err);

#endif
