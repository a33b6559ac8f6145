/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_OWNERS_H
#define HF_GIT_OWNERS_H

/*
 * Who could have made this lock of a Git repository, and live?
 *
 * Git writes no PID into its locks, and during a commit's hooks nobody has index.lock open. What is
 * left is to look at every process that could be its maker:
 *
 *	U1  A Git: its name is git, git-…, git.… or scalar; or a program that is known to make
 *	    Git's locks without keeping them open (java, for JGit; jgit; jj; gix, ein, gitui).
 *	    Others that write repositories, by libgit2 or Dulwich, keep a lock open as long as they
 *	    have it, and are seen by that.
 *	U2  One of its user ids is the file's owner: who makes a file owns it.
 *	U3  It started before the lock was made: not after this very file was first seen (struct
 *	    hf_git_seen, by the clock that start times are of), and not a minute after the file was
 *	    last written, if the clock has not been set. But objects/maintenance.lock is taken
 *	    before its maker leaves it to a child (git maintenance run --detach, Git 2.47).
 *	U4  It works here. A Git goes to the top of its worktree before it locks anything. So one
 *	    whose working directory is in another repository is not its maker; nor, if the lock is
 *	    an index's, in another worktree. Unless its environment (GIT_DIR and the like) or its
 *	    arguments (--git-dir) lead here, or lead to where it cannot be told; which is also taken
 *	    to be so of a path in another mount namespace, where working directories are told apart
 *	    by git_mountns.h. The worktree may also be configured (core.worktree, as submodules have
 *	    it); if the configuration includes other files, a Git that works in no repository is
 *	    counted too. One that works in none is otherwise not the maker: a clone keeps its
 *	    index.lock open.
 *
 * A program of U1's second half counts only if its working directory is here, or an argument names
 * the worktree or the repository: a Java server that has nothing to do with it would else be in the
 * way for ever.
 *
 * A paused process (SIGSTOP) is as alive as any, and so is one of which only the first thread has
 * ended. A zombie is dead.
 *
 * A snapshot, of half a second at most. Nothing is changed or waited for. Thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "gitlock/gitdir.h"

/* A lock that was seen, and is kept open: its path may name another one by now, which even has the
 * same inode number and times, unless this one is still open. */
struct hf_git_seen {
	int fd;		/* -1: none was seen */
	uint64_t ticks; /* since boot, when it was */
};

struct hf_git_holder_query {
	const struct hf_gitdir *git;
	bool index;	 /* the lock is that of git->git's index */
	bool left;	 /* its maker may have left it to a child */
	struct stat st;	 /* of the lock */
	uint64_t seen;	 /* ticks since boot; 0: not known */
};

struct hf_git_holders {
	pid_t other;	/* one that could be, and is no ancestor of this process; 0: none */
	pid_t ancestor; /* one that could be, and is */
	pid_t unseen;	/* one that may not be looked at */
	bool hurried;	/* time was over before all were looked at */
};

void hf_git_holders_find(const struct hf_git_holder_query *of, struct hf_git_holders *owners);

/* Does this Git work in another repository, beyond doubt (U4)? */
bool hf_git_works_elsewhere(const struct hf_gitdir *git, pid_t pid);

/* Is this a Git, by its name? */
bool hf_git_is_name(const char *name);

/* Now, as start times are counted: ticks since boot. */
uint64_t hf_git_ticks(void);

#endif
