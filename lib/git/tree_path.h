/* SPDX-License-Identifier: ISC */
#ifndef HF_TREE_PATH_H
#define HF_TREE_PATH_H

/*
 * From the path that a user gives to the path in the tree.
 *
 * All symbolic links are followed, except the last one if no_follow is set. README.md lists the
 * refused paths (HF_DATA). Directories that do not exist are those that will be made.
 *
 * A snapshot; changes nothing. Never waits.
 */

#include "git/repo_backend.h"

enum hf_status hf_repo_path_find(struct hf_repo *repo, const char *path, bool no_follow,
				 char **tree_path, struct hf_err *err);

#endif
