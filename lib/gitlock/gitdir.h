/* SPDX-License-Identifier: ISC */
#ifndef HF_GITDIR_H
#define HF_GITDIR_H

/*
 * Find a Git repository from its files, by the rules of gitrepository-layout(5).
 *
 *	git		the directory of this worktree, with HEAD and the index
 *	common		the directory that all worktrees share: refs, objects, config; the same as
 *			git except for a linked worktree
 *	worktree	the directory of the checked-out files; "" if there is none or it is unknown
 *	index		the index; INDEX.lock is its lock
 *
 * All paths are absolute and without symbolic links. Nothing is run, changed or waited for.
 *
 * Errors: HF_NOINPUT, HF_NOPERM: no repository; err says why. HF_IO, HF_OS: an entry could not be
 * read at the moment; the search does not continue upward then. Thread-safe.
 */

#include <limits.h>
#include <stdbool.h>

#include <holdfast/err.h>

struct hf_gitdir {
	char git[PATH_MAX];
	char common[PATH_MAX];
	char worktree[PATH_MAX];
	char index[PATH_MAX];
};

/* Find the repository of this directory, or, if dir is NULL, the one that the environment and the
 * working directory name. */
enum hf_status hf_gitdir_find(struct hf_gitdir *found, const char *dir, struct hf_err *err);

/* Write "DIR/NAME", or NAME if it is absolute, to out (PATH_MAX bytes). Return false if too
 * long. */
bool hf_gitdir_join(char *out, const char *dir, const char *name);

#endif
