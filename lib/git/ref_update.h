/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_REF_H
#define HF_REPO_REF_H

/*
 * Moving a ref that is a file, by Git's own protocol, with two syncs (libgit2 makes six: it syncs
 * the reflogs twice each, which nobody needs to survive a power cut).
 *
 *	write	the new value into REF~holdfast.lock: no ref can be called so, and Git passes over
 *		whatever ends in .lock; sync it, with all that it leads to: never is there a name
 *		without it
 *	lock	REF.lock, which must not exist, and HEAD.lock: no Git moves the ref or switches the
 *		branch now. Each is a record of whose it is, as index.lock is (git/index_lock.h)
 *	compare	is REF where the commit's parent is? (git/repo.h, R5)
 *	log	a line into the logs of REF, and of HEAD if that is where it points
 *	rename	over REF; unlock; fsync the directory
 *
 * Git waits for these two locks for a tenth of a second. So nothing is synced while they are held;
 * if 50 ms have passed before the rename all the same, they are given back (HF_BUSY). A HEAD.lock
 * that another process has is waited for as long as Git would, and then done without.
 *
 * Only for what is plain: HEAD itself, or a branch, that is a file and has its logs. Anything else
 * (packed, symbolic, new, without logs) is left to the back end. Only refs/heads and HEAD.
 *
 * Waits for HEAD.lock alone. A crash leaves REF.lock and HEAD.lock, which the next recorder takes
 * over by proof, in a container too; and REF~holdfast.lock, which it replaces.
 */

#include "git/repo_backend.h"

bool hf_ref_is_plain(struct hf_repo *repo, const char *ref);

/* HF_BUSY: it is locked. HF_NO: it is not at `was`, or not plain any more. HF_UNCERTAIN: it has
 * moved, and its directory cannot be synced. */
enum hf_status hf_ref_move(struct hf_repo *repo, const char *ref, const char *was,
			   const char *commit, const char *reflog,
			   const struct hf_commit_ident *who, struct hf_err *err);

/* HF_DATA: it is another ref's name by now. */
enum hf_status hf_ref_is_symbolic(const char *ref, const char *target, struct hf_err *err);

/* Whatever moves it will write there: may this process? It is asked before the commit point of a
 * record, since behind it there is no refusing any more. HF_NOPERM, or HF_CANTCREAT where a file
 * system is read-only. */
enum hf_status hf_ref_may_move(struct hf_repo *repo, const char *ref, struct hf_err *err);

/* The directories that a ref's file is in: are they there? And: they are durable. */
bool hf_ref_has_dir(struct hf_repo *repo, const char *ref);
enum hf_status hf_ref_sync(struct hf_repo *repo, const char *ref, struct hf_err *err);

#endif
