/* SPDX-License-Identifier: ISC */
#ifndef HF_TURNSTILE_H
#define HF_TURNSTILE_H

/*
 * A turnstile: an empty file beside a database, or in a repository, whose flock(2) is the queue of
 * all who want to write there.
 *
 *	DB-turnstile			beside the database, whatever name led to it
 *	COMMON/holdfast/turnstile	in the directory that all worktrees share
 *
 * SQLite and Git have locks of their own, but no queue: SQLite's waiters poll, Git's give up at
 * once. Those who pass the turnstile first meet only strangers behind it.
 *
 *	N1  Whoever may use the database may use its turnstile: it is made with the mode and the
 *	    ACL of the database (without the x) and, as far as we may, its owner and group, before
 *	    it has its name. Where the mode differs later, the owner or root sets it again, so that
 *	    it is open to no user to whom the database is not. It is never written to. A process
 *	    that may not write to the database makes none.
 *	N2  It is a regular file with one name, reached through no link, and its owner may write to
 *	    the database (side_file.h; of an absent database: may make files in a directory that is
 *	    not open to all). In a directory in which others can make files, anything may have its
 *	    name. Such a file is not used, and its lock is not waited for: HF_NO.
 *	N6  No other name is used in its place. A turnstile is a meeting place, and must be the same
 *	    for all. A user who has put a file there can remove it again, and then the next process
 *	    would use the first name while another still holds the second. Therefore
 *
 *		- a process that takes SQLite's own write lock as well goes on without a turnstile.
 *		  After it has that lock it looks again whether the name is still another user's
 *		  (hf_turnstile_is_foreign()); if not, it gives the lock back and starts again. A
 *		  process that takes the turnstile afterwards looks whether anybody writes. So one
 *		  of the two sees the other.
 *		- a process that holds nothing but the turnstile is refused: it could not keep
 *		  what it promises.
 *	N3  `git clean` and `git stash -u` can delete it, and so can anybody. After the lock is had,
 *	    the name is looked at again; if it stands for another inode, the set starts again.
 *	N4  Where it lies in a Git worktree, it is listed in info/exclude (git_exclude.h), before it
 *	    is made: a kill leaves a line too many, never a turnstile that is about to be committed.
 *	N5  On release it is unlocked for every copy of the descriptor, other than a lock file,
 *	    which a background child keeps. `git gc --auto` inherits every descriptor, and works on
 *	    for minutes when the work that the lock was for is done. What a keeper lent is only
 *	    closed (holdfast/lock.h).
 *
 * The lock is waited for as holdfast/lock_wait.h says, in the kernel's queue. A holder's death
 * frees it, unless a command that inherited it lives. Nobody but the turnstile's users is blocked:
 * what others do without it is the business of the kinds, holdfast/lock_sqlite.h and
 * holdfast/lock_git.h.
 *
 * Errors: HF_NOPERM and others: it cannot be made, or opened. Not thread-safe, as struct hf_lock.
 */

#include <holdfast/lock.h>
#include <holdfast/path.h>

#define HF_SQLITE_TURNSTILE "-turnstile"
#define HF_GIT_TURNSTILE "/holdfast/turnstile"

/* The turnstile at->name in at->dir: open it, or make it as `like` is, into lock->fd and lock->st.
 * at->path is for messages. like is what it belongs to, open in any way; -1: that is absent, and
 * the mode is 0644 & ~umask. HF_NO: N2; err says why, with HF_NOPERM, or HF_DATA if the owner is
 * trusted. */
enum hf_status hf_turnstile_open(struct hf_lock *lock, const struct hf_target *at, int like,
				 struct hf_err *err);

/* The same, but an absent one is not made: HF_NOINPUT. */
enum hf_status hf_turnstile_find(struct hf_lock *lock, const struct hf_target *at, int like,
				 struct hf_err *err);

/* After HF_NO, where the caller goes on without it: a notice with what err says, once. */
void hf_turnstile_ignored(const struct hf_err *err);

/* Is there something of that name that is not to be used (N2)? */
bool hf_turnstile_is_foreign(const struct hf_target *at, int like);

/* The kinds' take: HF_NO: the name stands for another inode by now. */
enum hf_status hf_turnstile_take(struct hf_lock *lock, const struct hf_target *at,
				 const struct hf_wait *wait, struct hf_err *err);

/* N5, and close. */
void hf_turnstile_release(struct hf_lock *lock);

/* The highest rank (holdfast/lock.h) of a turnstile, or frozen index, that this process has
 * inherited, as far as /proc proves it; 0: none. */
int hf_turnstile_inherited(void);

/* The same, of one that is kept for an ancestor, as far as /proc shows it. It costs a look at all
 * sockets (keeper/keeper_list.h): for who is about to wait, not for who takes. */
int hf_turnstile_kept(void);

/* HF_USAGE: the wait for the database `path` under a lock of a higher rank. */
enum hf_status hf_turnstile_refuse(const char *path, struct hf_err *err);

/* For struct hf_wait: that, if such a one is kept. */
enum hf_status hf_turnstile_forbid(const char *path, struct hf_err *err);

#endif
