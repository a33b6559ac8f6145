/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_CLI_OBJECTS_H
#define HF_GIT_CLI_OBJECTS_H

/*
 * Objects through git(1).
 *
 * tree_builder.h makes trees and commits as bytes, and git(1) stores them. Only a commit that is to
 * be signed (commit.gpgSign) is made by git(1). A blob goes through Git's filters for its path. All
 * objects are durable after hf_objects_settle() (object_batch.h).
 *
 * These functions implement struct hf_repo_ops and need only the repository's directories, so the
 * libgit2 back end uses them too.
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
