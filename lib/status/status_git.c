/* SPDX-License-Identifier: ISC */
#include "status/status_git.h"

#include <stdio.h>

#include "gitlock/git_locks.h"
#include "lock/turnstile.h"
#include "status/status_file.h"
#include <holdfast/clock.h>

static bool add_judged(struct hf_lock_status *list, const char *path, const struct hf_evidence *e)
{
	struct hf_status_row *row = hf_status_add(list, "git", path);

	return row && hf_status_judged(list, row, e);
}

struct adding {
	struct hf_lock_status *list;
	bool ok;
};

static bool add_git_lock(void *context, const struct hf_git_lock *lock)
{
	struct adding *a = context;

	a->ok = add_judged(a->list, lock->path, &lock->evidence);
	return a->ok;
}

static bool add_free_row(struct hf_lock_status *list, const char *path, const char *why)
{
	struct hf_status_row *row = hf_status_add(list, "git", path);

	return row && hf_status_reason(row, "%s", why);
}

enum hf_status hf_status_git(struct hf_lock_status *list, const char *dir, struct hf_err *err)
{
	struct hf_break_options options = {.stale_after = HF_NEVER};
	struct adding adding = {.list = list, .ok = true};
	char turnstile[PATH_MAX + sizeof(HF_GIT_TURNSTILE)];
	size_t before = list->count;
	struct hf_gitdir git;
	enum hf_status status = hf_gitdir_find(&git, dir, err);

	if (status == HF_OK)
		status = hf_git_locks_each(&git, &options, add_git_lock, &adding, err);
	if (status != HF_OK)
		return status;
	if (adding.ok && list->count == before)
		adding.ok = add_free_row(list, dir, "Git has no lock there");
	if (!adding.ok)
		return hf_status_no_memory(err);
	snprintf(turnstile, sizeof(turnstile), "%s%s", git.common, HF_GIT_TURNSTILE);
	return hf_status_turnstile(list, turnstile, err);
}

enum hf_status hf_status_git_lock(struct hf_lock_status *list, const char *path, struct hf_err *err)
{
	struct hf_break_options options = {.stale_after = HF_NEVER, .dry_run = true};
	char absolute[PATH_MAX];
	struct hf_break_result broken;
	struct hf_gitdir git;
	enum hf_status status;
	bool ok;

	status = hf_git_lock_is(path, &git, absolute, err);
	if (status != HF_OK)
		return status;
	status = hf_git_lock_break(&git, absolute, NULL, &options, &broken, err);
	if (status != HF_OK)
		return status;
	ok = broken.evidence.verdict == HF_VERDICT_FREE
		     ? add_free_row(list, path, "there is no such lock")
		     : add_judged(list, path, &broken.evidence);
	return ok ? HF_OK : hf_status_no_memory(err);
}
