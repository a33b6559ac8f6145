/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT2_BACKEND_H
#define HF_GIT2_BACKEND_H

/*
 * The libgit2 back end: its table of functions, refs and history.
 *
 * libgit2 hashes, packs and searches; repo.h decides the order and what is durable when. libgit2
 * moves the refs that ref_update.h does not, with its own syncing (GIT_OPT_ENABLE_FSYNC_GITDIR): a
 * ref and its name are durable, unless directories were made for it (hf_ref_sync()).
 */

#include "gitlock/gitdir.h"
#include "git/repo_backend.h"

extern const struct hf_repo_ops hf_repo_git2;

/* Open with libgit2. HF_UNAVAILABLE: libgit2 cannot serve this repository; err says why. HF_NOPERM:
 * another user owns it. */
enum hf_status hf_repo_git2_open(struct hf_repo *repo, const struct hf_gitdir *found,
				 bool by_environment, struct hf_err *err);

#endif
