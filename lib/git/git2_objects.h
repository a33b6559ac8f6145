/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT2_OBJECTS_H
#define HF_GIT2_OBJECTS_H

/*
 * Objects through libgit2.
 *
 * New objects are durable after hf_objects_settle() (object_batch.h). An existing object gets a new
 * modification time, so that `git gc` does not remove it. A large blob is streamed in constant
 * memory. A blob that Git would convert (a filter, an encoding, $Id$, line ends with a CR) is left
 * to git(1) (git_cli_objects.h).
 *
 * Errors: those of struct hf_repo_ops. A crash leaves unreachable objects. Single-threaded.
 */

#include "git/repo_backend.h"

/* These implement struct hf_repo_ops. */
enum hf_status hf_git2_blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			    struct hf_err *err);
enum hf_status hf_git2_read(struct hf_repo *repo, const char *type, const char *oid, void **bytes,
			    size_t *size, struct hf_err *err);
enum hf_status hf_git2_store(struct hf_repo *repo, const char *type, const void *bytes, size_t size,
			     char oid[HF_OID_SIZE], struct hf_err *err);
enum hf_status hf_git2_pack(struct hf_repo *repo, struct hf_err *err);

#endif
