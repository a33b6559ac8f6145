/* SPDX-License-Identifier: ISC */
#ifndef HF_TREE_PATH_H
#define HF_TREE_PATH_H

/*
 * From the path that a user gives to the path in the tree.
 *
 * All symbolic links are followed, as a write would. README.md lists the refused paths (HF_DATA).
 * Directories that do not exist are those that will be made.
 *
 * A snapshot; changes nothing. Never waits.
 */

#include "git/repo_backend.h"

/* Return the path in the tree of a user's path (relative to the working directory; it need not
 * exist). The caller frees it. */
enum hf_status hf_repo_path(struct hf_repo *repo, const char *path, char **tree_path,
			    struct hf_err *err);

#endif
