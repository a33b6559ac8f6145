/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT2_OPEN_H
#define HF_GIT2_OPEN_H

/*
 * libgit2 itself: open a repository, configuration, errors, syncing. Only this file includes
 * git2.h, and only the modules git2_* include this file.
 *
 * README.md says which repositories are refused (HF_UNAVAILABLE). Errors are texts of libgit2; the
 * system's error is searched in them. hf_git2_close() releases everything, also after a failed
 * open. A crash leaves nothing. Never blocks. Single-threaded.
 */

#include <git2.h>

#include "gitlock/gitdir.h"
#include "git/repo_backend.h"

struct hf_git2 {
	git_repository *repo;
	git_odb *odb;
	git_config *config; /* as it was when the repository was opened */
	git_index *index;   /* of a file that is to be changed; or NULL */
};

/* Return libgit2's part of an open repository. */
struct hf_git2 *hf_git2(const struct hf_repo *repo);

/* Open with libgit2. The caller calls hf_git2_close() also after a failure. */
enum hf_status hf_git2_open(struct hf_repo *repo, const struct hf_gitdir *found,
			    bool by_environment, struct hf_err *err);
void hf_git2_close(struct hf_repo *repo);

/* Read a setting; the caller frees *value. HF_NO: it is not set. */
enum hf_status hf_git2_config(struct hf_repo *repo, const char *key, char **value,
			      struct hf_err *err);

/* Switch libgit2's own syncing on or off, for the whole process. */
void hf_git2_sync(bool yes);

/* Report libgit2's last error: "libgit2 cannot WHAT 'ON': …". Return the status for it. */
enum hf_status hf_git2_failed(int code, struct hf_err *err, const char *what, const char *on);

#endif
