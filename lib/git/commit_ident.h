/* SPDX-License-Identifier: ISC */
#ifndef HF_COMMIT_IDENT_H
#define HF_COMMIT_IDENT_H

/*
 * Author and committer of a commit, as Git determines them.
 *
 *	name	GIT_AUTHOR_NAME, author.name, user.name
 *	email	GIT_AUTHOR_EMAIL, author.email, user.email, EMAIL
 *	time	GIT_AUTHOR_DATE, now
 *
 * COMMITTER likewise. Characters that a name cannot have are left out as in Git. A date is "SECONDS
 * +HHMM" (Git's own) or ISO 8601. Where Git would derive a name from the account and the machine,
 * the result is HF_DATA, since a commit is permanent.
 *
 * Reads the environment and the repository's configuration. Never waits. Single-threaded.
 */

#include "git/repo_backend.h"

/* Determine author and committer; either may be NULL. Free them with hf_commit_ident_free(). */
enum hf_status hf_commit_ident(struct hf_repo *repo, struct hf_commit_ident *author,
			       struct hf_commit_ident *committer, struct hf_err *err);
void hf_commit_ident_free(struct hf_commit_ident *who);

/* Return "NAME <EMAIL> TIME +HHMM", which the caller frees; NULL: out of memory. */
char *hf_commit_ident_format(const struct hf_commit_ident *who);

#endif
