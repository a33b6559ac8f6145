/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_CLI_OBJECTS_H
#define HF_GIT_CLI_OBJECTS_H

/*
 * Objects through git(1).
 *
 * A blob goes through Git's filters for its path. Trees and commits are stored as the bytes that
 * they are; only a commit that is to be signed is made by git(1). All objects are durable after
 * hf_objects_settle() (object_batch.h).
 *
 * These functions implement struct hf_repo_ops and need only the repository's directories, so the
 * libgit2 back end uses them too.
 */

#include "git/repo_backend.h"

enum hf_status hf_git_blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			   struct hf_err *err);
enum hf_status hf_git_read(struct hf_repo *repo, const char *type, const char *oid, void **bytes,
			   size_t *size, struct hf_err *err);
enum hf_status hf_git_store(struct hf_repo *repo, const char *type, const void *bytes, size_t size,
			    char oid[HF_OID_SIZE], struct hf_err *err);
enum hf_status hf_git_pack(struct hf_repo *repo, struct hf_err *err);

/* Make a signed commit. */
enum hf_status hf_git_sign(struct hf_repo *repo, const char *tree, const char *parent,
			   const char *message, const struct hf_commit_ident *author,
			   const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			   struct hf_err *err);

#endif
