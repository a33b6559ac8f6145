/* SPDX-License-Identifier: ISC */
#include "record/intent_target.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "base/sys.h"

/* ---- which repository ----------------------------------------------------------------------- */

/* Return true if the branch of the intent is checked out here. A detached HEAD belongs to one
 * worktree only. */
static bool is_on_branch(struct hf_repo *repo, const struct hf_intent *intent)
{
	char *ref = NULL;
	bool is = hf_repo_branch(repo, &ref, NULL) == HF_OK && strcmp(ref, intent->ref) == 0;

	free(ref);
	if (is && strcmp(intent->ref, "HEAD") == 0)
		is = strcmp(hf_repo_gitdir(repo), intent->gitdir) == 0;
	return is;
}

static bool is_intents_repo(struct hf_repo *repo, const struct hf_intent *intent)
{
	const char *id;

	return hf_repo_id(repo, &id, NULL) == HF_OK && strcmp(id, intent->repository) == 0;
}

/* Return true if this is a copy, and the repository in which the intent was made still exists. Both
 * have one identity. */
static bool is_copy(struct hf_repo *repo, const struct hf_intent *intent)
{
	struct hf_repo *made_in;
	struct stat there, here;
	struct hf_err err;
	bool is;

	if (strcmp(hf_repo_gitdir(repo), intent->gitdir) == 0 ||
	    hf_repo_open(&made_in, intent->gitdir, &err) != HF_OK)
		return false;
	is = is_intents_repo(made_in, intent) &&
	     sys_fstatat(AT_FDCWD, hf_repo_commondir(made_in), &there, 0) == 0 &&
	     sys_fstatat(AT_FDCWD, hf_repo_commondir(repo), &here, 0) == 0 &&
	     !hf_same_inode(&there, &here);
	hf_repo_close(made_in);
	return is;
}

enum hf_status hf_intent_repo_open(struct hf_record_locks *hold, const struct hf_intent *intent,
				   struct hf_err *err)
{
	struct hf_repo *repo;
	enum hf_status status = hf_repo_open(&repo, intent->gitdir, err);

	if (status != HF_OK)
		return status;
	if (!is_intents_repo(repo, intent)) {
		hf_repo_close(repo);
		return hf_fail(err, HF_NOINPUT, "'%s' is another repository now", intent->gitdir);
	}
	return hf_record_locks_add_repo(hold, repo, false, err);
}

struct hf_record_locks_repo *hf_intent_repo_find(struct hf_record_locks *hold,
						 const struct hf_intent *intent, bool *on_branch)
{
	struct hf_record_locks_repo *any = NULL;

	*on_branch = false;
	for (size_t i = 0; i < hold->repo_count; i++) {
		struct hf_record_locks_repo *candidate = &hold->repos[i];

		if (!is_intents_repo(candidate->repo, intent) || is_copy(candidate->repo, intent))
			continue;
		any = candidate;
		*on_branch = is_on_branch(candidate->repo, intent);
		if (*on_branch)
			break;
	}
	return any;
}

/* ---- trust ---------------------------------------------------------------------------------- */

/* The users who can write to the database: to its file, or by a journal or a log beside it. */
struct writers {
	struct hf_access file, dir;
};

static bool read_access(int dir, const char *path, int flags, struct hf_access *access)
{
	int fd = sys_openat(dir, path, O_PATH | O_CLOEXEC | flags, 0);
	bool read = fd >= 0 && hf_access_read(access, fd, path, NULL) == HF_OK;

	hf_close(fd);
	return read;
}

static bool find_writers(const struct hf_record_locks *hold, struct writers *writers)
{
	char real[PATH_MAX], *slash;

	if (!realpath(hold->database, real) ||
	    !read_access(AT_FDCWD, real, O_NOFOLLOW, &writers->file))
		return false;
	slash = strrchr(real, '/');
	slash[slash == real] = '\0';
	return read_access(AT_FDCWD, real, O_DIRECTORY, &writers->dir);
}

static bool writers_may_write(const struct writers *writers, const struct hf_access *access)
{
	return hf_access_within(&writers->file, access, W_OK, geteuid()) &&
	       hf_access_within(&writers->dir, access, W_OK, geteuid());
}

bool hf_intent_is_trusted(const struct hf_record_locks *hold, const char *path)
{
	struct hf_access access;
	struct writers writers;
	char at[PATH_MAX];
	char *slash;

	if (HF_WITHOUT(intent_trust))
		return true;
	if (!find_writers(hold, &writers) ||
	    snprintf(at, sizeof(at), "%s", path) >= (int)sizeof(at))
		return false;
	while (!read_access(AT_FDCWD, at, 0, &access)) {
		slash = strrchr(at, '/');
		if ((errno != ENOENT && errno != ENOTDIR) || !slash || !at[1])
			return false;
		slash[slash == at] = '\0';
	}
	return writers_may_write(&writers, &access);
}

bool hf_place_trusts_target(const struct hf_record_locks *hold, const struct hf_target *target)
{
	struct hf_access access;
	struct writers writers;

	if (HF_WITHOUT(intent_trust))
		return true;
	if (!find_writers(hold, &writers) || !read_access(target->dir, ".", 0, &access) ||
	    !writers_may_write(&writers, &access))
		return false;
	if (read_access(target->dir, target->name, O_NOFOLLOW, &access))
		return writers_may_write(&writers, &access);
	return errno == ENOENT;
}
