/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_APART_H
#define HF_GIT_APART_H

/*
 * Does a process in another mount namespace work in another repository, beyond doubt?
 *
 * Its paths mean other things than ours; the same one may lead to another directory, and ours may
 * have another path there. The directories themselves can be looked at: /proc/PID/cwd leads to
 * where it works, and `..` upward in what is mounted there. So it works apart if, from there to the
 * top,
 *
 *	P1  there is a directory .git that is a repository, as Git finds it;
 *	P2  no directory is our worktree, our repository or what its worktrees share, and no .git
 *	    is;
 *	P3  all that was found can be told by its inode: it and our repository are on file systems
 *	    where two inodes are two directories. A file system that shows another one's files
 *	    (overlayfs, as containers have it; eCryptfs; bindfs) may show ours by another inode;
 *	P4  there is nothing else that could lead to ours: no file or link .git, no linked
 *	    worktree's directory, no HEAD (a bare repository, or the inside of one), no directory
 *	    that has been removed, and none that may not be looked at.
 *
 * Whatever leads there besides its working directory, its environment or its arguments, is for the
 * caller to look at (gitlock/git_holders.h), and so is a worktree that our configuration names.
 *
 * A snapshot. Nothing is changed or waited for. Thread-safe.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "gitlock/gitdir.h"

bool hf_git_is_apart(const struct hf_gitdir *git, pid_t pid);

#endif
