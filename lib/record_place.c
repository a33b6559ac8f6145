/* SPDX-License-Identifier: ISC */
#include "record_place.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

/* ---- which repository ----------------------------------------------------------------------- */

/* Is the branch of the intent checked out here? A detached HEAD is that of one worktree only. */
static bool is_on_branch(struct hf_repo *repo, const struct hf_intent *intent)
{
	char *ref = NULL;
	bool is = hf_repo_branch(repo, &ref, NULL) == HF_OK && strcmp(ref, intent->ref) == 0;

	free(ref);
	if (is && strcmp(intent->ref, "HEAD") == 0)
		is = strcmp(hf_repo_gitdir(repo), intent->gitdir) == 0;
	return is;
}

static bool is_of(struct hf_repo *repo, const struct hf_intent *intent)
{
	const char *id;

	return hf_repo_id(repo, &id, NULL) == HF_OK && strcmp(id, intent->repository) == 0;
}

/* Is it a copy, while the one that the intent was made in is there too? They have one identity. */
static bool is_copy(struct hf_repo *repo, const struct hf_intent *intent)
{
	struct hf_repo *made_in;
	struct stat there, here;
	struct hf_err err;
	bool is;

	if (strcmp(hf_repo_gitdir(repo), intent->gitdir) == 0 ||
	    hf_repo_open(&made_in, intent->gitdir, &err) != HF_OK)
		return false;
	is = is_of(made_in, intent) &&
	     sys_fstatat(AT_FDCWD, hf_repo_commondir(made_in), &there, 0) == 0 &&
	     sys_fstatat(AT_FDCWD, hf_repo_commondir(repo), &here, 0) == 0 &&
	     !hf_same_inode(&there, &here);
	hf_repo_close(made_in);
	return is;
}

enum hf_status hf_place_open(struct hf_hold *hold, const struct hf_intent *intent,
			     struct hf_err *err)
{
	struct hf_repo *repo;
	enum hf_status status = hf_repo_open(&repo, intent->gitdir, err);

	if (status != HF_OK)
		return status;
	if (!is_of(repo, intent)) {
		hf_repo_close(repo);
		return hf_fail(err, HF_NOINPUT, "'%s' is another repository by now",
			       intent->gitdir);
	}
	return hf_hold_add_repo(hold, repo, false, err);
}

struct hf_hold_repo *hf_place_held(struct hf_hold *hold, const struct hf_intent *intent,
				   bool *on_branch)
{
	struct hf_hold_repo *any = NULL;

	*on_branch = false;
	for (size_t i = 0; i < hold->repo_count; i++) {
		struct hf_hold_repo *candidate = &hold->repos[i];

		if (!is_of(candidate->repo, intent) || is_copy(candidate->repo, intent))
			continue;
		any = candidate;
		*on_branch = is_on_branch(candidate->repo, intent);
		if (*on_branch)
			break;
	}
	return any;
}

/* ---- whom to believe ------------------------------------------------------------------------ */

/* V5. May nobody write here (a directory: replace what is in it) but root, this user, his own
 * group, and who may write to `too` (NULL: no more)? */
static bool is_only_of(const struct stat *st, const struct stat *too)
{
	const bool sticky = S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX;
	const bool group = too && too->st_mode & 020 && too->st_gid == st->st_gid;

	if (st->st_uid && st->st_uid != geteuid() && !(too && too->st_uid == st->st_uid) && !group)
		return false;
	if (sticky)
		return true;
	return (!(st->st_mode & 020) || st->st_gid == getegid() || group) &&
	       (!(st->st_mode & 002) || (too && too->st_mode & 002));
}

bool hf_place_is_owners(const struct hf_hold *hold, const struct hf_intent *intent)
{
	const struct hf_record_database *place = &hold->place;

	return (int64_t)geteuid() == intent->uid && place->file.st_nlink &&
	       place->file.st_uid == geteuid() && is_only_of(&place->file, NULL) &&
	       is_only_of(&place->dir, NULL);
}

bool hf_place_is_trusted(const struct hf_hold *hold, struct hf_repo *repo)
{
	const struct hf_record_database *place = &hold->place;
	struct stat st;

	return sys_fstatat(AT_FDCWD, hf_repo_commondir(repo), &st, 0) == 0 &&
	       place->file.st_nlink && is_only_of(&place->file, &st) &&
	       is_only_of(&place->dir, &st);
}
