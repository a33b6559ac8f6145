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
 *	N1  Whoever may use the database may use its turnstile: it is made with that one's mode
 *	    (without the x) and, as far as we may, its owner and group, before it has its name.
 *	    Nobody ever sees it otherwise. It is never changed afterwards, nor written to.
 *	N2  It is a regular file, and no link leads to it: in a directory where strangers can write,
 *	    anything may have its name. What is not so is refused (HF_DATA).
 *	N3  `git clean` and `git stash -u` can delete it, and so can anybody. After the lock is had,
 *	    the name is looked at again; if it stands for another inode, the set starts again.
 *	N4  Where it lies in a Git worktree, it is listed in info/exclude (git_exclude.h), before it
 *	    is made: a kill leaves a line too many, never a turnstile that is about to be committed.
 *	N5  On release it is unlocked for every copy of the descriptor, other than a lock file,
 *	    which a background child keeps. `git gc --auto` inherits every descriptor, and works on
 *	    for minutes when the work that the lock was for is done. What a keeper lent is only
 *	    closed (lock.h).
 *
 * The lock is waited for as lock_wait.h says, in the kernel's queue. A holder's death frees it,
 * unless a command that inherited it lives. Nobody but the turnstile's users is blocked: what
 * others do without it is the business of the kinds, lock_sqlite.h and lock_git.h.
 *
 * Errors: HF_NOPERM and others: it cannot be made, or opened. Not thread-safe, as struct hf_lock.
 */

#include "lock.h"
#include "path.h"

#define HF_SQLITE_TURNSTILE "-turnstile"
#define HF_GIT_TURNSTILE "/holdfast/turnstile"

/* The turnstile at->name in at->dir: open it, or make it as `like` is, into lock->fd and lock->st.
 * at->path is for messages. like->st_mode 0: what it belongs to is absent; 0644 & ~umask. */
enum hf_status hf_turnstile_open(struct hf_lock *lock, const struct hf_target *at,
				 const struct stat *like, struct hf_err *err);

/* The kinds' take: HF_NO: the name stands for another inode by now. */
enum hf_status hf_turnstile_take(struct hf_lock *lock, const struct hf_target *at,
				 const struct hf_wait *wait, struct hf_err *err);

/* N5, and close. */
void hf_turnstile_release(struct hf_lock *lock);

/* The highest rank (lock.h) of a turnstile, or frozen index, that this process has inherited, as
 * far as /proc proves it; 0: none. */
int hf_turnstile_inherited(void);

/* The same, of one that is kept for an ancestor, as far as /proc shows it. It costs a look at all
 * sockets (keepers.h): for who is about to wait, not for who takes. */
int hf_turnstile_kept(void);

/* HF_USAGE: the wait for the database `path` under a lock of a higher rank. */
enum hf_status hf_turnstile_refuse(const char *path, struct hf_err *err);

/* For struct hf_wait: that, if such a one is kept. */
enum hf_status hf_turnstile_forbid(const char *path, struct hf_err *err);

#endif
