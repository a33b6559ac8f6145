/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_CLI_READ_H
#define HF_GIT_CLI_READ_H

/*
 * Read objects and settings through git(1), each by one process.
 *
 * `git cat-file --batch` starts with the first object and answers until the repository is closed;
 * it ends by itself when this process dies. `git config --list` is run when the repository is
 * opened: it reads every file, variable and include that Git reads. For single-threaded programs.
 */

#include "git/repo_backend.h"

/* Read the settings, and let Git judge whether it may and can use the repository: HF_NOPERM:
 * another user owns it. HF_UNAVAILABLE: it cannot. */
enum hf_status hf_git_read_settings(struct hf_repo *repo, bool by_environment, struct hf_err *err);

/* Return a setting's last value; NULL: it is not set. */
const char *hf_git_setting(const struct hf_repo *repo, const char *key);

/* Read the object that `name` (gitrevisions(7)) leads to: its own name, and, if bytes is not NULL,
 * its content, which the caller frees. HF_NO: there is none, or it has another type ("": any). */
enum hf_status hf_git_cat(struct hf_repo *repo, const char *name, const char *type,
			  char oid[HF_OID_SIZE], void **bytes, size_t *size, struct hf_err *err);

/* End the process, and free the settings. */
void hf_git_read_end(struct hf_repo *repo);

#endif
