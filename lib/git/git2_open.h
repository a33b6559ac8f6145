/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_GIT2_BASE_H
#define HF_REPO_GIT2_BASE_H

/*
 * libgit2 itself, for the rooms that are built upon it: the only file that includes git2.h, and
 * only the rooms repo_git2* include this one. Opening, the configuration, errors, syncing.
 *
 * libgit2 keeps settings for the whole process, and reads the user's configuration once. So
 * syncing is a switch: it is on, and off only while something is written that is synced later by
 * us. Whether refs are synced it decides when it first looks at one.
 *
 * What libgit2 cannot serve is refused when it is opened (HF_UNAVAILABLE), not when it is half
 * done: an index that it cannot read, and settings that Git heeds and it does not know.
 *
 * Errors: its last word is text, and what the system said is found in that. What is opened belongs
 * to the repository, and is closed with it, also if opening failed midway; a crash leaves nothing.
 * Blocks nobody. Single-threaded.
 */

#include <git2.h>

#include "gitlock/gitdir.h"
#include "git/repo_backend.h"

struct hf_git2 {
	git_repository *repo;
	git_odb *odb;
	git_odb *staging;   /* git/object_batch.h; nothing is synced there */
	git_config *config; /* as it was when it was opened */
	git_index *index;   /* of a file, to be changed; or NULL */
};

/* Of an open repository. */
struct hf_git2 *hf_git2(const struct hf_repo *repo);

/* On failure, hf_git2_close() is the caller's all the same. */
enum hf_status hf_git2_open(struct hf_repo *repo, const struct hf_gitdir *found,
			    bool by_environment, struct hf_err *err);
void hf_git2_close(struct hf_repo *repo);

/* *value is to be freed. HF_NO: it is not set. */
enum hf_status hf_git2_config(struct hf_repo *repo, const char *key, char **value,
			      struct hf_err *err);

/* libgit2's own syncing, for the whole process. */
void hf_git2_sync(bool yes);

/* libgit2's last word, with the status that it stands for: "libgit2 cannot WHAT 'ON': …". */
enum hf_status hf_git2_failed(int code, struct hf_err *err, const char *what, const char *on);

#endif
