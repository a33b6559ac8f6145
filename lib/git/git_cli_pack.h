/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_CLI_PACK_H
#define HF_GIT_CLI_PACK_H

/*
 * Store objects through git(1), several by one process, where only Git may write them.
 *
 * Trees and commits are kept in memory until hf_objects_settle() (object_batch.h), which gives them
 * to `git unpack-objects`: Git makes loose objects of them, with the permissions that it wants. A
 * crash leaves nothing.
 */

#include "git/loose_object.h"
#include "git/repo_backend.h"

/* Keep an object, or store it if it is a file. */
enum hf_status hf_git_store(struct hf_repo *repo, const struct hf_object_source *source,
			    char oid[HF_OID_SIZE], struct hf_err *err);

/* Store the objects that are kept, and add them to the batch; or forget them. */
enum hf_status hf_git_store_kept(struct hf_repo *repo, struct hf_err *err);
void hf_git_forget_kept(struct hf_repo *repo);

/* Make a pack of repo->made: struct hf_repo_ops. */
enum hf_status hf_git_pack(struct hf_repo *repo, struct hf_err *err);

#endif
