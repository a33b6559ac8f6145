/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_H
#define HF_REPO_H

/*
 * A Git repository, for a program that commits exactly some paths, durably.
 *
 *	hf_repo_open		find the repository; refuse what cannot be understood
 *	hf_repo_check		can a commit be made now? author and committer
 *	hf_repo_path, _mode	from the user's path to the path in the tree
 *	hf_repo_blob		store a content as an object
 *	hf_repo_lock		take index.lock
 *	hf_repo_prepare		make the changed index, without putting it in place
 *	hf_repo_commit		make a commit on a given tip
 *	hf_repo_index		put the index in place
 *	hf_repo_update_ref	move the branch, by compare and swap
 *	hf_repo_unlock
 *
 * README.md describes the steps and the invariants git/R1 to R10. The caller holds the repository's
 * turnstile from hf_repo_blob() on. Only hf_repo_update_ref() waits, for another process's lock.
 *
 * Errors: HF_BUSY: a lock; HF_NO: the ref has moved; HF_DATA: refused, or the repository is
 * damaged; HF_NOINPUT: no repository; HF_UNAVAILABLE: neither back end can serve it; HF_NOPERM;
 * HF_IO; HF_OS. A crash leaves leftovers that the next run removes. For single-threaded programs.
 * Signals: none handled.
 */

#include "git/commit_ident.h"
#include "git/commit_object.h"
#include "git/index_lock.h"
#include "git/index_update.h"
#include "git/prune_guard.h"
#include "git/ref_update.h"
#include "git/repo_backend.h"
#include "git/repo_id.h"
#include "git/tree_path.h"
#include "git/user_program.h"

/* Open the repository that `git -C dir` would use without GIT_DIR in the environment; dir NULL:
 * that git would use here. HF_NOINPUT: there is no repository. */
enum hf_status hf_repo_open(struct hf_repo **repo, const char *dir, struct hf_err *err);
void hf_repo_close(struct hf_repo *repo); /* unlocks too; NULL is allowed */

const char *hf_repo_workdir(const struct hf_repo *repo); /* "": the repository is bare */
const char *hf_repo_gitdir(const struct hf_repo *repo);	 /* of this worktree */
const char *hf_repo_commondir(const struct hf_repo *repo);

/* Check that a commit can be made now. author and committer (or NULL) are set; free them with
 * hf_commit_ident_free() of git/commit_ident.h. HF_DATA: the repository is bare, or in the middle
 * of a merge, rebase, cherry-pick, revert, bisect or am; or there is no identity. */
enum hf_status hf_repo_check(struct hf_repo *repo, struct hf_commit_ident *author,
			     struct hf_commit_ident *committer, struct hf_err *err);

/* Return the mode of this file in a tree, according to core.fileMode. */
enum hf_status hf_repo_mode(struct hf_repo *repo, const char *tree_path, const struct stat *st,
			    unsigned int *mode, struct hf_err *err);

/* Return the checked-out branch and its tip. *ref is its full name, "HEAD" if it is detached; the
 * caller frees it. tip is "" if the branch has no commit yet. hf_repo_tip() returns the tip of any
 * ref, "" if there is no such ref. */
enum hf_status hf_repo_head(struct hf_repo *repo, char **ref, char tip[HF_OID_SIZE],
			    struct hf_err *err);
enum hf_status hf_repo_tip(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
			   struct hf_err *err);

/* Set *is to true if a Git (checkout, reset and the like) that works here may be about to move HEAD
 * or the branch, and has already changed the index and released its lock: one of the paths differs
 * in the index and in the tip. The caller holds index.lock. */
enum hf_status hf_repo_is_switched(struct hf_repo *repo, const char *tip, const char *const *paths,
				   size_t count, bool *is, struct hf_err *err);

/* Return only the branch; or the commit that a ref names, even if the commit is gone, and the one
 * that it named before according to its log ("": unknown). */
enum hf_status hf_repo_branch(struct hf_repo *repo, char **ref, struct hf_err *err);
enum hf_status hf_repo_ref_history(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
				   char before[HF_OID_SIZE], struct hf_err *err);

/* Return the first parent of a commit, "" if it has none; return true if an object exists. */
enum hf_status hf_repo_parent(struct hf_repo *repo, const char *commit, char parent[HF_OID_SIZE],
			      struct hf_err *err);
bool hf_repo_has(struct hf_repo *repo, const char *oid);

/* Store the content of fd, a regular file, from its beginning, as `git add` of tree_path would. It
 * is stored when hf_repo_commit() or hf_repo_index() has returned. HF_NO: a filter must run first
 * (git/user_program.h). */
enum hf_status hf_repo_blob(struct hf_repo *repo, const char *tree_path, int fd,
			    char oid[HF_OID_SIZE], struct hf_err *err);

/* Release index.lock (index_lock.h), and forget a prepared index. */
void hf_repo_unlock(struct hf_repo *repo);

/* Make the index with these changes, without putting it in place (git/index_update.h). The caller
 * holds index.lock, and keeps the paths until hf_repo_index() or hf_repo_cancel(). HF_DATA: the
 * index is damaged; or a path is below a file, or a directory, in it. */
enum hf_status hf_repo_prepare(struct hf_repo *repo, const struct hf_repo_change *changes,
			       size_t count, struct hf_err *err);

/* Put the index in place, with the files' times. Changes other than the prepared ones are prepared
 * again. */
enum hf_status hf_repo_index(struct hf_repo *repo, const struct hf_repo_change *changes,
			     size_t count, struct hf_err *err);

/*
 * Make a commit object; it is durable, with everything new that it leads to, before a ref moves.
 * tip is its parent ("": none). The message is taken unchanged (see git/commit_message.h). Removing
 * an absent path does nothing. The same arguments make the same commit, unless it is signed.
 * HF_DATA: a path is below a file, or a directory, in the tip's tree. HF_NO: a program must sign it
 * first (git/user_program.h).
 */
enum hf_status hf_repo_commit(struct hf_repo *repo, const char *tip,
			      const struct hf_repo_change *changes, size_t count,
			      const char *message, const struct hf_commit_ident *author,
			      const struct hf_commit_ident *committer, char commit[HF_OID_SIZE],
			      struct hf_err *err);

/* Sync a content at the next hf_repo_commit(); return the batch of names that is synced before a
 * ref moves. fd and what are borrowed until then. */
enum hf_status hf_repo_sync_with(struct hf_repo *repo, int fd, const char *what,
				 struct hf_err *err);
struct hf_sync_batch *hf_repo_sync_batch(struct hf_repo *repo);

/* Pack the objects that were made since hf_repo_objects_done(), after the ref has moved
 * (git/prune_guard.h). HF_BUSY: one is missing and must be made again. */
enum hf_status hf_repo_protect(struct hf_repo *repo, struct hf_err *err);
void hf_repo_objects_done(struct hf_repo *repo);

/* Fill change with the entry of change->path in the tree of this commit: mode and oid, or remove.
 * It is then a change that makes another tree equal to this one. */
enum hf_status hf_repo_entry(struct hf_repo *repo, const char *commit,
			     struct hf_repo_change *change, struct hf_err *err);

/* Move ref from tip ("": it does not exist) to commit, durably; who and reflog go to the reflog.
 * HF_NO: it is not at tip. HF_BUSY: it is locked until the deadline. HF_UNCERTAIN: it has moved,
 * and may not be durable. */
enum hf_status hf_repo_update_ref(struct hf_repo *repo, const char *ref, const char *tip,
				  const char *commit, const char *reflog,
				  const struct hf_commit_ident *who, int64_t deadline,
				  struct hf_err *err);

/* Find the commit with this line among its trailers, in the history of tip without that of base
 * ("": the whole history), among at most 10,000 commits. It is durable if the tip is. HF_NO: there
 * is none. */
enum hf_status hf_repo_find(struct hf_repo *repo, const char *tip, const char *base,
			    const char *trailer, char commit[HF_OID_SIZE], struct hf_err *err);

#endif
