/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_GIT2_OBJECTS_H
#define HF_REPO_GIT2_OBJECTS_H

/*
 * Objects through libgit2: blobs, trees, commits.
 *
 * Trees and commits are made as bytes by repo_tree and repo_message, and only stored here; so both
 * back ends store the same. What is new goes to a staging directory, unsynced, and is durable when
 * all of it is settled (git/object_batch.h). What is there already is written once more, for a new
 * date: so `git gc` does not collect it meanwhile.
 *
 * A large blob is streamed, in constant memory. What Git would convert on its way into the
 * repository (a filter, an encoding, $Id$, line ends where there is a CR), and what is to be
 * signed, is left to Git itself, for that one object (git/git_cli_objects.h).
 *
 * Errors: of git/repo_backend.h's table. A crash leaves objects that nothing leads to, for
 * repo_objects or gc to remove. Single-threaded.
 */

#include "git/repo_backend.h"

/* As struct hf_repo_ops has them. */
enum hf_status hf_git2_blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			    struct hf_err *err);
enum hf_status hf_git2_tree(struct hf_repo *repo, const char *parent,
			    const struct hf_repo_change *changes, size_t count,
			    char oid[HF_OID_SIZE], struct hf_err *err);
enum hf_status hf_git2_entry(struct hf_repo *repo, const char *commit,
			     struct hf_repo_change *change, struct hf_err *err);
enum hf_status hf_git2_commit(struct hf_repo *repo, const char *tree_id, const char *parent,
			      const char *message, const struct hf_commit_ident *author,
			      const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			      struct hf_err *err);

enum hf_status hf_git2_pack(struct hf_repo *repo, struct hf_err *err);

#endif
