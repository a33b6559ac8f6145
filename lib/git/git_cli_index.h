/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_CLI_INDEX_H
#define HF_GIT_CLI_INDEX_H

/*
 * The index through git(1): change the file `name` in the git directory (index_update.h).
 *
 * One `git update-index` changes all paths or none, and refuses a file where there is a directory.
 * Errors are reported in Git's words. A crash leaves `name` and `name`.lock, which the next run
 * removes. For single-threaded programs.
 */

#include "git/repo_backend.h"

/* These implement struct hf_repo_ops. */
enum hf_status hf_git_index_change(struct hf_repo *repo, const char *name,
				   const struct hf_repo_change *changes, size_t count,
				   struct hf_err *err);

#endif
