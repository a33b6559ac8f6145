/* SPDX-License-Identifier: ISC */
#include "status/status_more.h"

#include <stdio.h>
#include <stdlib.h>

#include <holdfast/proc.h>
#include <holdfast/clock.h>
#include "gitlock/git_locks.h"
#include "status/status_file.h"
#include "probe/sqlite_locks.h"
#include "base/sys.h"
#include "lock/turnstile.h"

/* Add the turnstile at this path, if it exists. */
static enum hf_status add_turnstile(struct hf_lock_status *list, const char *path,
				    struct hf_err *err)
{
	size_t before = list->count;
	enum hf_status status;
	struct stat st;

	if (sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return HF_OK;
	status = hf_status_path(list, path, err);
	for (size_t i = before; i < list->count; i++)
		list->rows[i].kind = "turnstile";
	return status;
}

static bool blocks_others(const struct hf_sqlite_user *user)
{
	return user->role != HF_SQLITE_CONNECTS && user->role != HF_SQLITE_READS;
}

static bool add_user(const struct hf_lock_status *list, struct hf_status_row *row,
		     const struct hf_sqlite_user *user)
{
	bool pins = user->role == HF_SQLITE_READS && user->slot > 0;
	struct hf_lock_process *party;
	char who[512];

	if (blocks_others(user))
		row->state = HF_STATE_HELD;
	if (!hf_status_holder(list, row, user->pid > 0 ? user->pid : 0))
		return false;
	party = &row->holders[row->holder_count - 1];
	party->via = user->pid > 0 ? HF_VIA_REPORTED : HF_VIA_UNSEEN;
	party->exclusive = blocks_others(user);
	party->role = hf_sqlite_does(user->role);
	party->pins = pins;
	if (user->pid > 0)
		hf_proc_name(who, sizeof(who), user->pid);
	else
		snprintf(who, sizeof(who), "a process that you may not see");
	return hf_status_reason(row, "%s %s%s", who, hf_sqlite_does(user->role),
				pins ? ", and pins the log" : "");
}

/* Add the users; those that block others come first. */
static bool add_users(const struct hf_lock_status *list, struct hf_status_row *row,
		      const struct hf_sqlite_users *users)
{
	bool ok = true;

	for (int turn = 1; turn >= 0; turn--)
		for (size_t i = 0; i < users->count && ok; i++)
			if (blocks_others(&users->at[i]) == turn)
				ok = add_user(list, row, &users->at[i]);
	if (ok && !users->count)
		ok = hf_status_reason(row, "nobody has it locked");
	return ok;
}

enum hf_status hf_status_sqlite(struct hf_lock_status *list, const char *path, struct hf_err *err)
{
	char turnstile[PATH_MAX + sizeof(HF_SQLITE_TURNSTILE)], real[PATH_MAX];
	struct hf_sqlite_users users;
	struct hf_status_row *row;
	struct hf_target db;
	enum hf_status status = hf_target_open(&db, path, HF_TARGET_NO_SYNC, err);

	if (status != HF_OK)
		return status;
	status = hf_sqlite_users_read(&db, &users, err);
	hf_target_close(&db);
	if (status != HF_OK)
		return status;
	row = hf_status_add(list, "sqlite", path);
	if (!row || !add_users(list, row, &users))
		status = hf_status_no_memory(err);
	hf_sqlite_users_free(&users);
	if (status != HF_OK)
		return status;
	snprintf(turnstile, sizeof(turnstile), "%s%s", realpath(path, real) ? real : path,
		 HF_SQLITE_TURNSTILE);
	return add_turnstile(list, turnstile, err);
}

static bool add_judged(struct hf_lock_status *list, const char *path, const struct hf_evidence *e)
{
	struct hf_status_row *row = hf_status_add(list, "git", path);
	bool ok = row;

	if (!row)
		return false;
	row->state = e->verdict == HF_VERDICT_HELD    ? HF_STATE_HELD
		     : e->verdict == HF_VERDICT_STALE ? HF_STATE_STALE
						      : HF_STATE_UNKNOWN;
	for (int i = 0; i < e->count && ok; i++)
		ok = hf_status_reason(row, "%s", e->reason[i]);
	if (ok && e->pid > 0)
		ok = hf_status_holder(list, row, e->pid);
	return ok;
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
	return add_turnstile(list, turnstile, err);
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
	ok = broken.end == HF_BREAK_ABSENT ? add_free_row(list, path, "there is no such lock")
					   : add_judged(list, path, &broken.evidence);
	return ok ? HF_OK : hf_status_no_memory(err);
}
