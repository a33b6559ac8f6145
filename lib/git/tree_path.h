/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_PATH_H
#define HF_REPO_PATH_H

/*
 * From the path that a user gives to the one in the tree, and what cannot be there.
 *
 * A file is written through links, so the path in the tree is that of the file itself: all links on
 * the way are followed, the last one too unless it is itself meant. Git refuses to follow them; but
 * it has the user's word for a path in the tree, and we have it for a file.
 *
 * Refused (HF_DATA), as Git refuses it: a path outside of the worktree; in .git, or what another
 * system takes for .git; in a repository within this one, and in a submodule; a directory, what is
 * no regular file, and what is below a file; what is ignored and not tracked.
 *
 * A snapshot: nothing is changed, and nothing held. Directories that are missing are those that
 * will be made. Never waits.
 */

#include "git/repo_backend.h"

enum hf_status hf_repo_path_find(struct hf_repo *repo, const char *path, bool no_follow,
				 char **tree_path, struct hf_err *err);

#endif
