/* SPDX-License-Identifier: ISC */
#ifndef HF_COMMIT_OBJECT_H
#define HF_COMMIT_OBJECT_H

/*
 * Commits as bytes: make one, and read what one leads to.
 *
 * The back end reads and stores objects. Errors: HF_DATA: there is no such commit, or it is
 * damaged. Never waits, except for a program that signs.
 */

#include "git/repo_backend.h"

/* Make the message of a commit (git/commit_message.h), as commit.cleanup wants it. */
enum hf_status hf_repo_message(struct hf_repo *repo, const char *text, const char *trailer,
			       char **message, struct hf_err *err);

/* Make a commit of this tree, whose parent is tip ("": none). It is signed if commit.gpgSign is
 * set. */
enum hf_status hf_commit_make(struct hf_repo *repo, const char *tree, const char *tip,
			      const char *message, const struct hf_commit_ident *author,
			      const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			      struct hf_err *err);

/* Return the tree and the first parent ("": none) of a commit. Either may be NULL. */
enum hf_status hf_commit_read(struct hf_repo *repo, const char *commit, char tree[HF_OID_SIZE],
			      char parent[HF_OID_SIZE], struct hf_err *err);

#endif
