/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_STORE_H
#define HF_GIT_STORE_H

/*
 * Objects, stored by Git's plumbing.
 *
 * Trees and commits are made here (git/tree_builder.h), and Git stores them: so both back ends make
 * the same ones. Only a commit that is to be signed (commit.gpgSign) is made by Git. A blob goes
 * through Git's filters for its path; what they do is theirs. All are to be settled
 * (git/object_batch.h).
 *
 * These are a back end's functions of that name, and need no more of the repository than its
 * directories: libgit2's back end uses them for what libgit2 cannot do.
 */

#include "git/repo_backend.h"

enum hf_status hf_git_blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			   struct hf_err *err);
enum hf_status hf_git_tree(struct hf_repo *repo, const char *parent,
			   const struct hf_repo_change *changes, size_t count,
			   char oid[HF_OID_SIZE], struct hf_err *err);
enum hf_status hf_git_commit(struct hf_repo *repo, const char *tree, const char *parent,
			     const char *message, const struct hf_commit_ident *author,
			     const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			     struct hf_err *err);
enum hf_status hf_git_pack(struct hf_repo *repo, struct hf_err *err);

#endif
