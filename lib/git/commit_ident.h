/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_WHO_H
#define HF_REPO_WHO_H

/*
 * Who commits: author and committer, as Git takes them.
 *
 *	name	GIT_AUTHOR_NAME, author.name, user.name
 *	email	GIT_AUTHOR_EMAIL, author.email, user.email, EMAIL
 *	time	GIT_AUTHOR_DATE, now
 *
 * and likewise for COMMITTER. Where Git would make up a name from the account and the machine, we
 * refuse (HF_DATA): a record is forever. What a name must not have is left out as Git does it. Of
 * dates, "SECONDS +HHMM" (Git's own) and ISO 8601 are understood.
 *
 * Reads the environment and the repository's configuration. Never waits.
 */

#include "git/repo_backend.h"

/* Either may be NULL. What is filled is released by hf_commit_ident_free(). */
enum hf_status hf_commit_ident(struct hf_repo *repo, struct hf_commit_ident *author,
			       struct hf_commit_ident *committer, struct hf_err *err);
void hf_commit_ident_free(struct hf_commit_ident *who);

#endif
