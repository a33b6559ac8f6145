/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_TREE_H
#define HF_REPO_TREE_H

/*
 * Trees and commits as bytes: a tree with some paths changed, and a commit's text.
 *
 * A tree is a sorted list of "MODE NAME\0OID", the OID as 20 bytes (SHA-256: 32); directories sort
 * as if their name ended in '/'. Only the trees on the way to a changed path are made anew. A
 * directory that becomes empty goes, as in Git. A path below a file, and one that is a directory,
 * are refused (HF_DATA): putting one in the other's place would remove what nobody asked to remove.
 *
 * Where objects come from and go to is the caller's. Thread-safe.
 */

#include "git/repo_backend.h"

struct hf_tree_store {
	/* *bytes is to be freed */
	enum hf_status (*get)(void *context, const char *oid, void **bytes, size_t *size,
			      struct hf_err *err);
	enum hf_status (*put)(void *context, const void *bytes, size_t size, char oid[HF_OID_SIZE],
			      struct hf_err *err);
	void *context;
	size_t oid_size; /* HF_SHA1 or HF_SHA256 */
};

/* The tree base ("" : an empty one) with the changes, in any order. */
enum hf_status hf_tree_change(const struct hf_tree_store *store, const char *base,
			      const struct hf_repo_change *changes, size_t count,
			      char oid[HF_OID_SIZE], struct hf_err *err);

/* To be freed; NULL with errno. encoding NULL: UTF-8, which is not written down. */
char *hf_commit_text(const char *tree, const char *parent, const char *encoding,
		     const char *message, const struct hf_commit_ident *author,
		     const struct hf_commit_ident *committer);

#endif
