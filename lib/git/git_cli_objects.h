/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_CLI_OBJECTS_H
#define HF_GIT_CLI_OBJECTS_H

/*
 * Objects through git(1).
 *
 * A blob goes through Git's filters for its path, and keeps CRLF where the index has it, as with
 * `git add`. All objects are durable after
 * hf_objects_settle() (object_batch.h).
 *
 * These functions implement struct hf_repo_ops and need only the repository's directories, so the
 * libgit2 back end uses them too.
 */

#include "git/git_run.h"

enum hf_status hf_git_blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			   struct hf_err *err);
/* Run git, which stores an object and prints its name, and add the object to the batch (git/R1):
 * Git syncs what it writes, but neither an existing object nor its name. */
enum hf_status hf_git_store_by(const struct hf_git *git, char oid[HF_OID_SIZE], const char *on,
			       struct hf_err *err);

/* Make a signed commit. Its tree exists. */
enum hf_status hf_git_sign(struct hf_repo *repo, const char *tree, const char *parent,
			   const char *message, const struct hf_commit_ident *author,
			   const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			   struct hf_err *err);

#endif
