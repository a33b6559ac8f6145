/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_GIT2_H
#define HF_REPO_GIT2_H

/*
 * A repository through libgit2: this back end's table, refs and history.
 *
 * libgit2 is known in one place, the rooms of this name, and to no other room: repo_git2_base is
 * libgit2 as it is, repo_git2_objects and repo_git2_index are what their names say.
 *
 * libgit2 hashes, packs and finds; the order of things, and what is durable when, is git/repo.h's.
 * Refs that are not plain (git/ref_update.h) are moved by libgit2, and its own syncing
 * (GIT_OPT_ENABLE_FSYNC_GITDIR) does for them: a ref is durable before it has its name, and so is
 * the name, unless directories were made for it: hf_ref_sync().
 */

#include "gitlock/gitdir.h"
#include "git/repo_backend.h"

extern const struct hf_repo_ops hf_repo_git2;

/* HF_UNAVAILABLE: it is a repository that libgit2 cannot serve; the message says why. HF_NOPERM:
 * another user owns it. */
enum hf_status hf_repo_git2_open(struct hf_repo *repo, const struct hf_gitdir *found,
				 bool by_environment, struct hf_err *err);

#endif
