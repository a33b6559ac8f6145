/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_EXCLUDE_H
#define HF_GIT_EXCLUDE_H

/*
 * Keep a file of ours out of a repository, with a line in info/exclude of its common directory.
 *
 * Add the path of `name` in the directory `dir`, unless it is listed. Do nothing if the directory
 * is in no worktree, if the repository is not the caller's own (README.md), if the path contains
 * control characters, or if info/exclude may not be written. Reports no error. Thread-safe; blocks
 * a second at most.
 */

void hf_git_exclude(int dir, const char *name);

#endif
