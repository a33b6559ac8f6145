/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_EXCLUDE_H
#define HF_GIT_EXCLUDE_H

/*
 * Keeping a file of ours out of a repository: a line in info/exclude of the common directory, which
 * is every clone's own, and is never committed.
 *
 * The line is the file's path from the top of the worktree, "/dir/data.db-turnstile", with what
 * gitignore(5) would take for a pattern escaped. It is written once, under the lock of info/exclude
 * (holdfast/atomic.h), so that two at the same time write one line, and whatever else is there
 * stays.
 *
 * Only in the caller's own repository: the worktree, the common directory, its info/ and the
 * exclude file must be the caller's. Nothing is written to a repository of another user but what
 * was asked for, not even by root; there the file shows in `git status`. Nothing is written through
 * a symbolic link, nor a path with control characters, which would be more than one line to some
 * reader.
 *
 * A help, and no promise: where the directory is in no worktree, or info/exclude may not be
 * written, nothing happens, and nothing fails. Thread-safe; blocks a second at most.
 */

void hf_git_exclude(int dir, const char *name);

#endif
