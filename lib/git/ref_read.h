/* SPDX-License-Identifier: ISC */
#ifndef HF_REF_READ_H
#define HF_REF_READ_H

/*
 * Read refs that are plain files.
 *
 * A missing, unreadable or special file has no content here. Where refs are not files (reftable),
 * HEAD is a file all the same, which leads to an impossible branch. Never waits.
 */

#include <limits.h>

#include "git/repo_backend.h"

/* The end of the name of a ref's new file (README.md). */
#define HF_REF_NEW "~holdfast.lock"

/* Return the directory of a ref's file: HEAD belongs to the worktree, branches to all worktrees. */
int hf_ref_base(const struct hf_repo *repo, const char *ref);

bool hf_ref_is_file(int dir, const char *path, struct stat *st);

/* Read the content of a ref's file, without its newline; "" if there is none, or too much. */
void hf_ref_read(int dir, const char *path, char text[PATH_MAX]);

/* Return the branch that HEAD leads to, "HEAD" if it is detached; the caller frees it.
 * HF_UNAVAILABLE: HEAD is not a plain file. */
enum hf_status hf_ref_head(const struct hf_repo *repo, char **ref, struct hf_err *err);

bool hf_ref_is_checked_out(const struct hf_repo *repo, const char *ref);

/* Check that ref is not a symbolic ref now: HEAD may have become a branch, and to move it would
 * detach it again. HF_DATA: it is. */
enum hf_status hf_ref_check_direct(struct hf_repo *repo, const char *ref, struct hf_err *err);

/* Report that ref is a symbolic ref to target now. Return HF_DATA. */
enum hf_status hf_ref_is_symbolic(const char *ref, const char *target, struct hf_err *err);

/* Return true if there is certainly no such ref, neither a file nor an entry of packed-refs; or,
 * if the name ends with a slash, none below it. */
bool hf_ref_is_absent(const struct hf_repo *repo, const char *ref);

/* Format the name of the ref's log. Return false if it is too long. */
bool hf_ref_log_name(const char *ref, char path[PATH_MAX]);

/* Return true if hf_ref_move() (ref_update.h) can move the ref: it is a file and has its logs. */
bool hf_ref_is_plain(struct hf_repo *repo, const char *ref);

#endif
