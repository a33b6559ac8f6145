/* SPDX-License-Identifier: ISC */
#ifndef HF_REF_UPDATE_H
#define HF_REF_UPDATE_H

/*
 * Move a ref that is a plain file: HEAD or a branch that is a file and has its logs.
 *
 * The steps are Git's own protocol with two syncs; README.md lists them. Other refs (packed,
 * symbolic, new, without logs) are moved by the back end.
 *
 * Waits for HEAD.lock only, for a tenth of a second. A crash leaves REF.lock and HEAD.lock, which
 * the next run takes over by proof, and REF~holdfast.lock, which it replaces.
 */

#include "git/repo_backend.h"

/* Move ref from `was` to commit. HF_BUSY: it is locked. HF_NO: it is not at `was`, or no longer
 * plain. HF_UNCERTAIN: it has moved, and its directory cannot be synced. */
enum hf_status hf_ref_move(struct hf_repo *repo, const char *ref, const char *was,
			   const char *commit, const char *reflog,
			   const struct hf_commit_ident *who, struct hf_err *err);

/* Check that this process may write everything that moving ref writes. Called before the commit
 * point of a record, since later nothing can be refused. HF_NOPERM; HF_CANTCREAT: the file system
 * is read-only. */
enum hf_status hf_repo_may_move(struct hf_repo *repo, const char *ref, struct hf_err *err);

/* Return true if the directories of a ref's file exist; make them durable. */
bool hf_ref_has_dir(struct hf_repo *repo, const char *ref);
enum hf_status hf_ref_sync(struct hf_repo *repo, const char *ref, struct hf_err *err);

#endif
