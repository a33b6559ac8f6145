/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_GIT_H
#define HF_LOCK_GIT_H

/*
 * The kind "git": the right to change a Git repository.
 *
 * Its own lock is flock(2) on COMMON/holdfast/turnstile, a file that all worktrees share; processes
 * wait for it in the kernel's queue. The external lock is that the worktree has no index.lock: then
 * no Git is at work that has not passed the turnstile. An index.lock that is proved stale is moved
 * to COMMON/holdfast/quarantine/; any other is waited for.
 *
 * index.lock itself is not taken: the command uses git as usual, and does not fail with "Unable to
 * create '.git/index.lock': File exists".
 *
 * hf_lock_git_turn is the same lock without the external lock, for a program that takes index.lock
 * itself while it holds the set, without waiting, and starts again if it exists.
 *
 * hf_lock_git_freeze takes index.lock too: no Git changes the index, not even the command's own.
 * index.lock is locked with flock(2) by every process that inherits it, so it is stale as soon as
 * its holders are dead.
 *
 *	- No process waits for an index.lock while it holds the turnstile. A `git commit -a`
 *	  whose hook waits for a database therefore does not deadlock with a process that holds
 *	  the database.
 *	- The end of an index.lock is noticed by checking its name after a pause that grows to 10
 *	  ms, and when the process that could have made it exits.
 *	- A Git that is an ancestor of this process, as in a hook of `git commit -a`, does not
 *	  exit before it. If only ancestors can have made the lock, the wait fails with HF_USAGE.
 *	- Two worktrees of one repository in one set have one turnstile and two index.locks.
 *
 * Git waits by itself, for a short time, for its other locks (references, configuration);
 * lock-break --git moves stale ones away. A crash frees the lock. Signals and threads:
 * holdfast/lock_wait.h.
 *
 * Errors: HF_NOINPUT: no repository. HF_NOPERM: it may not be written to.
 */

#include <holdfast/lock.h>

extern const struct hf_lock_ops hf_lock_git;
extern const struct hf_lock_ops hf_lock_git_turn;
extern const struct hf_lock_ops hf_lock_git_freeze;

#endif
