/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT2_INDEX_H
#define HF_GIT2_INDEX_H

/*
 * The index through libgit2: change the entries of some paths.
 *
 * libgit2 opens the copy of the index (index_update.h) by its path, so it reads no other file. It
 * changes the copy in memory, and to write it renames a new file over it, unsynced. An entry in the
 * way of a path is refused (HF_DATA), since the user may have staged it; libgit2 would drop it. An
 * index that libgit2 did not read whole is refused (HF_IO).
 *
 * Errors: those of struct hf_repo_ops. A crash leaves an unused file. Single-threaded.
 */

#include "git/repo_backend.h"

/* These implement struct hf_repo_ops. */
enum hf_status hf_git2_index_open(struct hf_repo *repo, const char *name, struct hf_err *err);
enum hf_status hf_git2_index_change(struct hf_repo *repo, const char *name,
				    const struct hf_repo_change *changes, size_t count,
				    struct hf_err *err);
enum hf_status hf_git2_index_write(struct hf_repo *repo, const char *name,
				   const struct hf_repo_change *changes, size_t count,
				   struct hf_err *err);
void hf_git2_index_drop(struct hf_repo *repo);

#endif
