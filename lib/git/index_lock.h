/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_LOCK_H
#define HF_REPO_LOCK_H

/*
 * Git's index.lock and a ref's lock.
 *
 * Either is made by link(2) of a finished record that is locked by flock(2) (git/repo.h, R7), so
 * that everybody sees at once whose it is: Git sees that it is there; others read its record, and
 * ask the kernel whether its maker lives. Programs that are run under it inherit the descriptor:
 * while one of them works, nobody takes the lock over.
 *
 * Git writes the new index into index.lock itself and renames that. Here the new index is another
 * file (git/index_update.h), and index.lock stays what it is until it is removed.
 *
 * Never waits. A crash leaves index.lock, or the ref's, for the next one to take over.
 */

#include <holdfast/path.h>
#include "git/repo_backend.h"

/* HF_BUSY: somebody has it. */
enum hf_status hf_index_lock(struct hf_repo *repo, const char *record, struct hf_err *err);

/* If it still is ours, it goes. */
void hf_index_unlock(struct hf_repo *repo);

/* The same of REF.lock, which is target; *fd holds it. Under our index.lock it is another name of
 * that. And back. */
enum hf_status hf_ref_lock(struct hf_repo *repo, const struct hf_target *target, const char *ref,
			   int *fd, struct hf_err *err);
void hf_ref_unlock(const struct hf_target *target, int fd);

#endif
