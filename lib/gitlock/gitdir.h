/* SPDX-License-Identifier: ISC */
#ifndef HF_GITDIR_H
#define HF_GITDIR_H

/*
 * Where is the repository? By the rules of gitrepository-layout(5), from the files alone.
 *
 *	git		the directory of this worktree: HEAD and the index are in it
 *	common		what all worktrees share: refs, objects, packed-refs, config. The same as
 *			git, but for a linked worktree, whose file `commondir` leads to it
 *	worktree	the checked-out files' directory; "" where there is none, or it is not told
 *	index		the index; INDEX.lock is its lock
 *
 * From a directory one goes up until one finds `.git` (a directory, or a file "gitdir: PATH", as
 * submodules and linked worktrees have it), or is in a repository's own directory (bare, or inside
 * .git). A file system's boundary ends the search, unless GIT_DISCOVERY_ACROSS_FILESYSTEM says
 * otherwise. A repository is what Git takes for one: HEAD with a reference or an object's id, and
 * objects/ and refs/ in the common directory. What it holds besides, and which extensions its
 * configuration names, does not matter for a lock; nor does who owns it, since nothing that it
 * holds is run.
 *
 * A directory that is named wins over the environment. Git sets GIT_DIR and GIT_INDEX_FILE for its
 * hooks, and these speak of the repository whose hook it is, not of the one that is named. (`git -C
 * DIR` heeds them, which has misled many a hook.) Where none is named, the environment counts as
 * for Git itself: GIT_DIR, GIT_COMMON_DIR, GIT_WORK_TREE, GIT_INDEX_FILE.
 *
 * All paths are absolute and without symbolic links, so that two spellings are one. Nothing is
 * changed, run or waited for. HF_NOINPUT, HF_NOPERM: there is no repository; err says why. HF_IO,
 * HF_OS: what is there could not be looked at now; the search does not go on upward then, to the
 * wrong one. Thread-safe.
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

/* From this directory; NULL: from the environment, and the working directory. */
enum hf_status hf_gitdir_find(struct hf_gitdir *found, const char *dir, struct hf_err *err);

/* "DIR/NAME" into out (PATH_MAX bytes), or NAME itself if it is absolute. false: too long. */
bool hf_gitdir_join(char *out, const char *dir, const char *name);

#endif
