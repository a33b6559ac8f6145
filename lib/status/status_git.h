/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_GIT_H
#define HF_STATUS_GIT_H

/*
 * The source of lock-status for Git repositories.
 *
 * A repository is a row "git" for each of Git's locks, or one that is FREE; the turnstile follows.
 * README.md has the states. Nothing of the repository is run. Takes no longer than
 * gitlock/git_locks.h. Thread-safe.
 */

#include "status/status.h"

/* Add the rows of a repository. HF_NOINPUT: there is none. */
enum hf_status hf_status_git(struct hf_lock_status *list, const char *dir, struct hf_err *err);

/* Add the row of one file if it is a lock of Git by its name and place. HF_NO: it is not. */
enum hf_status hf_status_git_lock(struct hf_lock_status *list, const char *path,
				  struct hf_err *err);

#endif
