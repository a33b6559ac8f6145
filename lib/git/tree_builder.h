/* SPDX-License-Identifier: ISC */
#ifndef HF_TREE_BUILDER_H
#define HF_TREE_BUILDER_H

/*
 * Trees as bytes: make a tree with some paths changed, and look up a path.
 *
 * A tree is a sorted list of "MODE NAME\0OID", with the OID in 20 bytes (SHA-256: 32). Directories
 * sort as if their name ended in '/'. Only the trees on the way to a changed path are made again. A
 * directory that becomes empty is removed, as in Git. A path below a file, and a path that is a
 * directory, are refused (HF_DATA): the change would remove entries that were not named.
 *
 * The back end reads and stores objects.
 */

#include "git/repo_backend.h"

/* Make the tree `base` ("": an empty one) with these changes, in any order. */
enum hf_status hf_tree_change(struct hf_repo *repo, const char *base,
			      const struct hf_repo_change *changes, size_t count,
			      char oid[HF_OID_SIZE], struct hf_err *err);

/* Fill change with the entry of change->path in a tree: mode and oid, or remove. */
enum hf_status hf_tree_entry(struct hf_repo *repo, const char *tree, struct hf_repo_change *change,
			     struct hf_err *err);

#endif
