/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_GIT_H
#define HF_LOCK_GIT_H

/*
 * The kind "git": the right to change a Git repository.
 *
 *	our own		the turnstile COMMON/holdfast/turnstile (turnstile.h), which all worktrees
 *			share, waited for in its queue
 *	foreign		that there is no index.lock in the worktree: no Git is at work that has not
 *			passed the turnstile. One that is proved stale (git_evidence.h) is moved to
 *			COMMON/holdfast/quarantine/ (gitlock/git_locks.h); all others are waited for
 *
 * index.lock itself is not taken: the command uses git as always, and does not meet "Unable to
 * create '.git/index.lock': File exists". The repository is found as gitlock/gitdir.h says.
 *
 * hf_lock_git_turn is the same lock without the foreign part, for those who take index.lock
 * themselves while they hold the set, without waiting, and come again when it is there.
 *
 * hf_lock_git_freeze takes index.lock too: no Git changes the index, the command's included. It is
 * made in one step, as a dotlock is (lock/dotlock_file.h), holds a dotlock's record, and is locked
 * by flock(2) by all who inherit it; a killed holder leaves what G2 proves stale at once.
 *
 *	X1  Nobody waits for a foreign index.lock while holding the turnstile (lock.h). So a `git
 *	    commit -a` whose hook waits for a database does not stand still with one who holds the
 *	    database.
 *	X2  What is moved is moved under the turnstile, and by the rule of lock_break.h, to which
 *	    lock-break keeps as well.
 *	X3  Its end is looked for after a pause that grows to 10 ms, and at the end of the process
 *	    that could have made it. It is judged anew when such a process ends, else a few times
 *	    a second. A Git that starts later than this very index.lock was first seen is not its
 *	    maker, so that one after another does not keep a dead one's lock alive. "This very" is
 *	    by a descriptor that is kept open: its path, and even its inode, may be another's.
 *	X4  A Git that is this command's own ancestor, as in a hook of `git commit -a`, does not end
 *	    before it: if none but ancestors can have made it, that is refused (HF_USAGE).
 *	X5  Two worktrees of one repository in one set have one turnstile, and two index.locks.
 *
 * What Git locks besides (references, configuration) it waits for by itself, for a short time;
 * lock-break --git moves those that are stale. A crash frees the lock. Signals, threads: as
 * holdfast/lock_wait.h says.
 *
 * Errors: HF_NOINPUT there is no repository; HF_NOPERM it may not be written to.
 */

#include <holdfast/lock.h>

extern const struct hf_lock_ops hf_lock_git;
extern const struct hf_lock_ops hf_lock_git_turn;
extern const struct hf_lock_ops hf_lock_git_freeze;

#endif
