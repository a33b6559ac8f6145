/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_GIT2_INDEX_H
#define HF_REPO_GIT2_INDEX_H

/*
 * The index through libgit2: is a path in it, and the entries of some paths changed.
 *
 * What is changed is the index under another name (git/index_update.h), opened by that: so it
 * belongs to no repository, and nothing is looked at but this file. It is changed in memory; to
 * write it, libgit2 renames a new one over it, unsynced. What stands in the way of a path is
 * refused (HF_DATA), since it may be what the user has staged; libgit2 would drop it. An index that
 * libgit2 has not read whole is not changed (HF_IO): what is staged would be lost.
 *
 * Errors: of git/repo_backend.h's table. A crash leaves a file that nobody looks at.
 * Single-threaded.
 */

#include "git/repo_backend.h"

/* As struct hf_repo_ops has them. */
enum hf_status hf_git2_staged(struct hf_repo *repo, struct hf_repo_change *change,
			      struct hf_err *err);
enum hf_status hf_git2_tracked(struct hf_repo *repo, const char *path, unsigned int *mode,
			       bool *below, struct hf_err *err);
enum hf_status hf_git2_index_open(struct hf_repo *repo, const char *name, struct hf_err *err);
enum hf_status hf_git2_index_change(struct hf_repo *repo, const char *name,
				    const struct hf_repo_change *changes, size_t count,
				    struct hf_err *err);
enum hf_status hf_git2_index_write(struct hf_repo *repo, const char *name,
				   const struct hf_repo_change *changes, size_t count,
				   struct hf_err *err);
void hf_git2_index_drop(struct hf_repo *repo);

#endif
