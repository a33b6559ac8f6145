/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_H
#define HF_REPO_H

/*
 * A Git repository, for one who commits exactly some paths, and for whom a commit that was
 * acknowledged must be there after a power cut.
 *
 *	open		find and understand it; refuse what cannot be understood
 *	ready		can a commit be made now? who is its author?
 *	path, mode	from the user's path to the one in the tree; refuse what cannot be in it
 *	blob		a content as an object, through Git's filters
 *	lock		index.lock, made in one step, naming the record; never waited for
 *	prepare		the index is read whole, and changed in a copy; refuse what cannot be
 *	index		the index as it is now, with exactly these paths changed
 *	commit		a commit upon a given tip: its tree, with exactly these paths changed
 *	move		the branch from that tip to the commit, by compare and swap
 *	unlock
 *
 *	R1  Objects are durable before a ref leads to them, each by its content and its name. An
 *	    object that is there already may not be: who wrote it may not have synced it.
 *	R2  The index is replaced by rename(2), under index.lock, by one that is durable. It comes
 *	    before the ref: were the ref first, and then a crash, the user's next commit would
 *	    take the record back.
 *	R3  The commit's tree is that of its parent with these paths changed, and nothing of the
 *	    index: what the user has staged stays staged.
 *	R4  A parent that somebody else made is not durable, as a rule: Git syncs neither objects
 *	    nor refs. Before a ref leads to a commit upon it, the whole file system is synced.
 *	R5  A ref moves only if it still is where the commit's parent was. HF_NO: it moved; build
 *	    upon the new one.
 *	R6  The index keeps every entry that is not changed here, with its stage, flags and times,
 *	    and its own time: what Git takes for "may have changed since" stays so. Extensions that
 *	    are lost are caches.
 *	R7  index.lock is a dotlock's record (lock_owner.h) that says for which record it is held,
 *	    and locked by flock(2). One of ours whose maker is dead is taken over by the rules D2 to
 *	    D4 of holdfast/lock_dot.h; any other is never touched here.
 *	R8  Nothing is done that runs a hook.
 *	R9  Where libgit2 would do something else than Git, Git does it.
 *	R10 A `git gc` or `git prune` beside it, with whatever age limit, takes nothing of it away:
 *	    prune_guard.h. Before a ref leads to the objects, HF_BUSY and made again; then packed.
 *
 * Two back ends. libgit2, in this process, is fast; Git's own plumbing serves where that is not
 * faithful: a filter or an encoding on the path (for its blob), signatures (for the commit), and
 * altogether a split or sparse index, SHA-256, reftable, partial clones, and every extension that
 * libgit2 does not know. Without git in PATH these are refused (HF_UNAVAILABLE), blobs and
 * signatures at the latest by blob() and ready().
 *
 * One recorder at a time: the caller holds the repository's turnstile from hf_repo_blob() on. Git
 * itself is kept from the index by index.lock, and from the ref by R5. Nothing here waits, but
 * hf_repo_update_ref() for Git's lock on the ref, to the deadline.
 *
 * A crash leaves objects that nothing leads to (Git collects them), index.lock (R7) and
 * index.holdfast beside it, which the next one removes. Between index and ref the index is ahead:
 * the changes look staged, and a user's commit takes them along.
 *
 * Errors: HF_BUSY a lock; HF_NO see R5; HF_DATA refused, or the repository is damaged; HF_NOINPUT
 * no repository; HF_UNAVAILABLE what neither back end can do; HF_NOPERM; HF_IO; HF_OS.
 * For single-threaded tools: libgit2's settings, and processes that are run. Signals: none handled.
 */

#include "git/repo_backend.h"
#include "git/commit_ident.h"

enum hf_repo_path_flags {
	HF_REPO_NO_FOLLOW = 1, /* the last component is meant even if it is a link (to remove it) */
};

/* dir is what `git -C dir` would take, without the environment's GIT_DIR; NULL: what git here would
 * take. HF_NOINPUT: there is no repository. */
enum hf_status hf_repo_open(struct hf_repo **repo, const char *dir, struct hf_err *err);
void hf_repo_close(struct hf_repo *repo); /* unlocks too; NULL is nothing */

const char *hf_repo_workdir(const struct hf_repo *repo); /* "" : it is bare */
const char *hf_repo_gitdir(const struct hf_repo *repo);	 /* of this worktree */
const char *hf_repo_commondir(const struct hf_repo *repo);

/* An identity that stays when the repository is moved: a random number in <common
 * dir>/holdfast/id, made at the first call. A copy of the repository (but not a clone) has it too.
 * Valid until hf_repo_close(). */
enum hf_status hf_repo_id(struct hf_repo *repo, const char **id, struct hf_err *err);

/* Can a commit of paths be made now? HF_DATA: bare, or in the middle of a merge, rebase,
 * cherry-pick, revert, bisect or am; no identity. author and committer (or NULL) are filled, to be
 * released by hf_commit_ident_free() of git/commit_ident.h. */
enum hf_status hf_repo_check(struct hf_repo *repo, struct hf_commit_ident *author,
			     struct hf_commit_ident *committer, struct hf_err *err);

/* From a path as the user wrote it (relative to the working directory; need not exist) to the one
 * in the tree, to be freed. Links are followed, as writing to it would. HF_DATA: outside of the
 * worktree, in .git, in a submodule, a directory, below a file, ignored and not tracked. */
enum hf_status hf_repo_path(struct hf_repo *repo, const char *path, unsigned int flags,
			    char **tree_path, struct hf_err *err);

/* The mode that this file has in a tree, as core.fileMode says. */
enum hf_status hf_repo_mode(struct hf_repo *repo, const char *tree_path, const struct stat *st,
			    unsigned int *mode, struct hf_err *err);

/* *ref is the branch's full name, to be freed; "HEAD" when it is detached. *tip is its commit, ""
 * if it has none yet. hf_repo_tip(): of any ref; "" if there is no such ref. */
enum hf_status hf_repo_head(struct hf_repo *repo, char **ref, char tip[HF_OID_SIZE],
			    struct hf_err *err);
enum hf_status hf_repo_tip(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
			   struct hf_err *err);

/* Is a Git about to move HEAD, or the branch, that has changed the index for that and given its
 * lock back: checkout, reset and the like? *is: such a Git works here, and the index has one of
 * the paths otherwise than the tip has it. index.lock is ours. */
enum hf_status hf_repo_is_switched(struct hf_repo *repo, const char *tip, const char *const *paths,
				   size_t count, bool *is, struct hf_err *err);

/* Only the first of these; and where ref is, though the commit be gone, and where it was before, as
 * its log says ("": that is not known). */
enum hf_status hf_repo_branch(struct hf_repo *repo, char **ref, struct hf_err *err);
enum hf_status hf_repo_ref_history(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
				   char before[HF_OID_SIZE], struct hf_err *err);

/* A commit's first parent; "": it has none. And: is there such an object? */
enum hf_status hf_repo_parent(struct hf_repo *repo, const char *commit, char parent[HF_OID_SIZE],
			      struct hf_err *err);
bool hf_repo_has(struct hf_repo *repo, const char *oid);

/* The content of fd, a regular file, from its beginning, as `git add` of tree_path would store it.
 * It is stored when hf_repo_commit() or hf_repo_index() has returned. */
enum hf_status hf_repo_blob(struct hf_repo *repo, const char *tree_path, int fd,
			    char oid[HF_OID_SIZE], struct hf_err *err);

/* HF_BUSY: somebody has index.lock; the message says who, as far as can be seen. record is a word
 * for it. */
enum hf_status hf_repo_lock(struct hf_repo *repo, const char *record, struct hf_err *err);
void hf_repo_unlock(struct hf_repo *repo);

/* The caller has it locked. The new index with these changes, made and not yet put in place
 * (git/index_update.h): what cannot be is refused here. HF_DATA: the index is damaged; a path is
 * below a file, or a directory, in it. The paths are borrowed until hf_repo_index() or
 * hf_repo_cancel(). */
enum hf_status hf_repo_prepare(struct hf_repo *repo, const struct hf_repo_change *changes,
			       size_t count, struct hf_err *err);
void hf_repo_cancel(struct hf_repo *repo);

/* Put it in place, with the files' times. What was prepared with other changes is made anew. */
enum hf_status hf_repo_index(struct hf_repo *repo, const struct hf_repo_change *changes,
			     size_t count, struct hf_err *err);

/* A commit object. It is durable, with everything new that it leads to, before a ref moves. tip:
 * its parent; "": none. The message is taken as it is (see git/commit_message.h). HF_DATA: a path
 * is below a file, or a directory, in the tip's tree. To remove what is not there is nothing. The
 * same arguments give the same commit, unless it is signed. */
enum hf_status hf_repo_commit(struct hf_repo *repo, const char *tip,
			      const struct hf_repo_change *changes, size_t count,
			      const char *message, const struct hf_commit_ident *author,
			      const struct hf_commit_ident *committer, char commit[HF_OID_SIZE],
			      struct hf_err *err);

/* A content, and the names, that must be as durable as the objects are: fd's at the next
 * hf_repo_commit(), and what is put into the other one before a ref moves. fd and what are borrowed
 * until then. */
enum hf_status hf_repo_sync_with(struct hf_repo *repo, int fd, const char *what,
				 struct hf_err *err);
struct hf_sync_batch *hf_repo_sync_batch(struct hf_repo *repo);

/* Git's prune (git/prune_guard.h). Is each object that was made here, since hf_repo_objects_done(),
 * a file of its own? (Where it is packed it is not.) May somebody be pruning? And: pack them, when
 * the ref has moved; HF_BUSY: one is missing, make it anew. */
bool hf_repo_has_all(const struct hf_repo *repo);
bool hf_repo_is_pruned(const struct hf_repo *repo);
enum hf_status hf_repo_protect(struct hf_repo *repo, struct hf_err *err);
void hf_repo_objects_done(struct hf_repo *repo);

/* What change->path is in the tree of this commit: its mode and oid are filled in, or remove is
 * set. So it can be a change itself, which makes another tree alike. */
enum hf_status hf_repo_entry(struct hf_repo *repo, const char *commit,
			     struct hf_repo_change *change, struct hf_err *err);

/* Can all be written that moving ref writes? HF_NOPERM, HF_CANTCREAT: no. */
enum hf_status hf_repo_may_move(struct hf_repo *repo, const char *ref, struct hf_err *err);

/* ref from tip ("" : it does not exist) to commit, durable; who and reflog are for the reflog.
 * HF_NO: it is not at tip. HF_BUSY: it is locked, to the deadline. HF_UNCERTAIN: it is there, and
 * may not be durable. */
enum hf_status hf_repo_update_ref(struct hf_repo *repo, const char *ref, const char *tip,
				  const char *commit, const char *reflog,
				  const struct hf_commit_ident *who, int64_t deadline,
				  struct hf_err *err);

/* The commit that has this line among its trailers, in the history of tip without that of base ("":
 * all of it; at most 10,000 commits are looked at). It is durable then, as the tip is. HF_NO: there
 * is none. */
enum hf_status hf_repo_find(struct hf_repo *repo, const char *tip, const char *base,
			    const char *trailer, char commit[HF_OID_SIZE], struct hf_err *err);

#endif
