/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_PLUMBING_H
#define HF_REPO_PLUMBING_H

/*
 * A repository through Git's own plumbing: right by definition, and a process for each step.
 *
 * git/git_cli_objects.h stores objects, git/git_cli_index.h changes the index. A ref is moved by
 * `git update-ref`. What Git refuses is told in its words; only whether a ref has moved, or is
 * locked, is found out by looking.
 */

#include "gitlock/gitdir.h"
#include "git/repo_backend.h"

extern const struct hf_repo_ops hf_repo_plumbing;

/* HF_UNAVAILABLE: Git cannot use it either, or is not there. HF_NOPERM: another user owns it. */
enum hf_status hf_repo_plumbing_open(struct hf_repo *repo, const struct hf_gitdir *found,
				     struct hf_err *err);

#endif
