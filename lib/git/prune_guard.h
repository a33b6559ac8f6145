/* SPDX-License-Identifier: ISC */
#ifndef HF_PRUNE_GUARD_H
#define HF_PRUNE_GUARD_H

/*
 * Protect the objects of a commit from a concurrent `git gc` or `git prune`.
 *
 * After a ref has moved, a pack of the objects is safe from every gc that started earlier.
 * README.md explains why, and has the rules git/K1 to K4 and the case that is not recognised.
 *
 * The check reads every process, a few microseconds each. Waits for nothing. A crash leaves
 * temporary files of a pack, which Git removes.
 */

#include "git/repo_backend.h"

/* Return true if each object that was made since hf_repo_objects_done() is a loose file. */
bool hf_repo_has_all(const struct hf_repo *repo);

/* Return true if a gc or prune may be running (git/K2). */
bool hf_repo_is_pruned(const struct hf_repo *repo);

/* Return true if a Git that is not an ancestor works here, and is one that moves HEAD or a branch
 * after it has changed the index and the worktree. It may already have released index.lock. */
bool hf_keep_is_switched(const struct hf_repo *repo);

/* Pack the objects, durably (git/K1). HF_BUSY: one was missing. */
enum hf_status hf_prune_pack(struct hf_repo *repo, struct hf_err *err);

/* Explain a failure with this status: HF_BUSY, with the reason, if objects were removed in the
 * meantime (git/K4). An I/O error keeps its status. */
enum hf_status hf_prune_explain(const struct hf_repo *repo, enum hf_status status,
				struct hf_err *err);

#endif
