/* SPDX-License-Identifier: ISC */
#include "sqlite/db_blocker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/copy.h"
#include <holdfast/proc.h>
#include "probe/sqlite_locks.h"
#include "base/sys.h"

static bool describe_user(const struct hf_sqlite_user *user, char *out, size_t size)
{
	char who[512];

	snprintf(out, size, "%s, which %s", hf_proc_describe(who, sizeof(who), user->pid),
		 hf_sqlite_does(user->role));
	return true;
}

static bool find_writer(const struct hf_target *db, char *out, size_t size)
{
	struct hf_sqlite_probe look;
	struct hf_sqlite_user user;

	return hf_sqlite_probe_open(&look, db, NULL) == HF_OK &&
	       hf_sqlite_writer(&look, db, &user) && describe_user(&user, out, size);
}

static bool find_reader(const struct hf_target *db, pid_t self, char *out, size_t size)
{
	struct hf_sqlite_users users;

	if (hf_sqlite_users_read(db, &users, NULL) != HF_OK)
		return false;
	for (size_t i = 0; i < users.count; i++)
		if (users.at[i].pid != self && users.at[i].role == HF_SQLITE_READS)
			return describe_user(&users.at[i], out, size);
	return false;
}

/* Search in the child, and write the result to the pipe. */
static _Noreturn void search_in_child(const char *path, bool readers, pid_t self, int to)
{
	struct hf_target db;
	char found[600];

	if (hf_target_open(&db, path, HF_TARGET_NO_SYNC, NULL) == HF_OK &&
	    (readers ? find_reader(&db, self, found, sizeof(found))
		     : find_writer(&db, found, sizeof(found))))
		hf_write_all(to, found, strlen(found), NULL, NULL);
	_exit(0);
}

bool hf_db_blocker(const char *path, bool readers, char *out, size_t size)
{
	pid_t self = getpid(), child;
	size_t got = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	child = fork();
	if (child == 0)
		search_in_child(path, readers, self, ends[1]);
	sys_close(ends[1]);
	if (child > 0) {
		hf_read_full(ends[0], out, size - 1, &got, NULL, NULL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	out[got] = '\0';
	sys_close(ends[0]);
	return got > 0;
}
