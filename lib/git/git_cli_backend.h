/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_CLI_BACKEND_H
#define HF_GIT_CLI_BACKEND_H

/*
 * The back end that runs git(1): correct by definition, at the cost of a process for each step.
 *
 * git_cli_objects.h stores objects, git_cli_index.h changes the index; `git update-ref` moves a
 * ref. Errors are reported in Git's words. Whether a ref has moved or is locked is read from the
 * repository, not from these words.
 */

#include "git/repo_backend.h"
#include "gitlock/gitdir.h"

extern const struct hf_repo_ops hf_repo_plumbing;

/* Open with git(1). HF_UNAVAILABLE: Git cannot use the repository either, or is not in PATH.
 * HF_NOPERM: another user owns it. */
enum hf_status hf_repo_plumbing_open(struct hf_repo *repo, const struct hf_gitdir *found,
				     bool by_environment, struct hf_err *err);

#endif
