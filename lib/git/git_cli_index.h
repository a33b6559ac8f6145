/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_INDEX_H
#define HF_GIT_INDEX_H

/*
 * The index, changed by Git: the one that lies under `name` in the repository's directory, which
 * git/index_update.h puts in place.
 *
 * One `git update-index` for all paths: it does all or nothing, and refuses a file where there is a
 * directory. Errors are told in Git's words. A crash leaves `name`, and `name`.lock, which the next
 * one removes. For single-threaded tools: processes are run.
 */

#include "git/repo_backend.h"

/* As struct hf_repo_ops has them. */
enum hf_status hf_git_index_change(struct hf_repo *repo, const char *name,
				   const struct hf_repo_change *changes, size_t count,
				   struct hf_err *err);

/* It is written already. Have Git look at the files, so that they need not seem changed; that may
 * fail. */
enum hf_status hf_git_index_write(struct hf_repo *repo, const char *name,
				  const struct hf_repo_change *changes, size_t count,
				  struct hf_err *err);

#endif
