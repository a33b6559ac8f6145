/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT2_OBJECTS_H
#define HF_GIT2_OBJECTS_H

/*
 * Read and pack objects through libgit2.
 *
 * Errors: those of struct hf_repo_ops. A crash leaves unreachable objects. Single-threaded.
 */

#include "git/repo_backend.h"

/* These implement struct hf_repo_ops. */
enum hf_status hf_git2_read(struct hf_repo *repo, const char *type, const char *oid, void **bytes,
			    size_t *size, struct hf_err *err);
enum hf_status hf_git2_pack(struct hf_repo *repo, struct hf_err *err);

#endif
