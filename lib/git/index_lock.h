/* SPDX-License-Identifier: ISC */
#ifndef HF_INDEX_LOCK_H
#define HF_INDEX_LOCK_H

/*
 * Git's index.lock, and the lock of a ref (git/R7).
 *
 * Each is made by link(2) of a complete file that is locked by flock(2): Git sees that it exists,
 * and other processes read its owner and ask the kernel whether it lives. Programs that run under
 * the lock inherit the descriptor, so that no process takes the lock over while one of them runs.
 *
 * Never waits. A crash leaves the lock file, which the next run takes over by proof.
 */

#include <holdfast/path.h>
#include "git/repo_backend.h"

/* Take index.lock. record names the record in it. HF_BUSY: another process holds it. */
enum hf_status hf_repo_lock(struct hf_repo *repo, const char *record, struct hf_err *err);

/* Remove index.lock if it is still ours. */
void hf_index_unlock(struct hf_repo *repo);

/* Take REF.lock, which target names, and release it; *fd holds the lock. If index.lock is held,
 * REF.lock is another link to it. */
enum hf_status hf_ref_lock(struct hf_repo *repo, const struct hf_target *target, const char *ref,
			   int *fd, struct hf_err *err);
void hf_ref_unlock(const struct hf_target *target, int fd);

#endif
