/* SPDX-License-Identifier: ISC */
#ifndef HF_TREE_BUILDER_H
#define HF_TREE_BUILDER_H

/*
 * Trees and commits as bytes: a tree with some paths changed, and the text of a commit.
 *
 * A tree is a sorted list of "MODE NAME\0OID", with the OID in 20 bytes (SHA-256: 32). Directories
 * sort as if their name ended in '/'. Only the trees on the way to a changed path are made again. A
 * directory that becomes empty is removed, as in Git. A path below a file, and a path that is a
 * directory, are refused (HF_DATA): the change would remove entries that were not named.
 *
 * The caller's functions read and store objects. Thread-safe.
 */

#include "git/repo_backend.h"

struct hf_tree_store {
	/* the caller frees *bytes */
	enum hf_status (*get)(void *context, const char *oid, void **bytes, size_t *size,
			      struct hf_err *err);
	enum hf_status (*put)(void *context, const void *bytes, size_t size, char oid[HF_OID_SIZE],
			      struct hf_err *err);
	void *context;
	size_t oid_size; /* HF_SHA1 or HF_SHA256 */
};

/* Make the tree `base` ("": an empty one) with these changes, in any order. */
enum hf_status hf_tree_change(const struct hf_tree_store *store, const char *base,
			      const struct hf_repo_change *changes, size_t count,
			      char oid[HF_OID_SIZE], struct hf_err *err);

/* Return the text of a commit, which the caller frees; NULL with errno. encoding NULL: UTF-8,
 * without a header. */
char *hf_commit_text(const char *tree, const char *parent, const char *encoding,
		     const char *message, const struct hf_commit_ident *author,
		     const struct hf_commit_ident *committer);

#endif
