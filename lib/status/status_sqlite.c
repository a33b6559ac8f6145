/* SPDX-License-Identifier: ISC */
#include "status/status_sqlite.h"

#include <stdio.h>
#include <stdlib.h>

#include "lock/turnstile.h"
#include "probe/sqlite_locks.h"
#include "status/status_file.h"
#include <holdfast/proc.h>

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
		row->state = HF_VERDICT_HELD;
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
		ok = hf_status_reason(row, "no process has it locked");
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
	return hf_status_turnstile(list, turnstile, err);
}
