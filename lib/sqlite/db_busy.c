/* SPDX-License-Identifier: ISC */
#include "sqlite/db_busy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/copy.h"
#include "base/sys.h"
#include "lock/turnstile.h"
#include <holdfast/proc.h>
#include "probe/sqlite_locks.h"

/* limits the delay after the end of an external writer */
enum { MAX_BACKOFF_MS = 20 };

enum { BLOCKER_SIZE = 600 };

enum hf_status hf_db_pause_begin(struct hf_db_pause *pause, const char *path,
				 const struct hf_wait *wait, const char *backoff, bool readers,
				 struct hf_err *err)
{
	*pause = (struct hf_db_pause){.path = path,
				      .wait = wait,
				      .readers = readers,
				      .notice = hf_wait_notice_begin(wait)};
	enum hf_status status = hf_backoff_init(&pause->backoff, backoff, wait->deadline, err);

	if (!backoff && pause->backoff.cap > MAX_BACKOFF_MS * HF_MS)
		pause->backoff.cap = MAX_BACKOFF_MS * HF_MS;
	return status;
}

static bool find_writer(const struct hf_target *db, struct hf_sqlite_user *found)
{
	struct hf_sqlite_probe probe;

	return hf_sqlite_probe_open(&probe, db, NULL) == HF_OK &&
	       hf_sqlite_writer(&probe, db, found);
}

static bool find_reader(const struct hf_target *db, pid_t self, struct hf_sqlite_user *found)
{
	struct hf_sqlite_users users;

	if (hf_sqlite_users_read(db, &users, NULL) != HF_OK)
		return false;
	for (size_t i = 0; i < users.count; i++) {
		*found = users.at[i];
		if (found->pid != self && found->role == HF_SQLITE_READS)
			return true;
	}
	return false;
}

/* Search in the child, and write the result to the pipe. */
static _Noreturn void search_in_child(const struct hf_db_pause *pause, pid_t self, int to)
{
	struct hf_sqlite_user user;
	struct hf_target db;
	char found[BLOCKER_SIZE], process[512];

	if (hf_target_open(&db, pause->path, HF_TARGET_NO_SYNC, NULL) == HF_OK &&
	    (pause->readers ? find_reader(&db, self, &user) : find_writer(&db, &user))) {
		snprintf(found, sizeof(found), "%s, which %s",
			 hf_proc_describe(process, sizeof(process), user.pid),
			 hf_sqlite_does(user.role));
		hf_write_all(to, found, strlen(found), NULL, NULL);
	}
	_exit(0);
}

/* Write "PID 4711 (python3 …), running since 10:42:03, which writes to it" to out. Return false if
 * no blocking process is visible now, or no child can be forked. */
static bool find_blocker(const struct hf_db_pause *pause, char out[BLOCKER_SIZE])
{
	pid_t self = getpid(), child;
	size_t got = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	child = fork();
	if (child == 0)
		search_in_child(pause, self, ends[1]);
	sys_close(ends[1]);
	if (child > 0) {
		hf_read_full(ends[0], out, BLOCKER_SIZE - 1, &got, NULL, NULL);
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			;
	}
	out[got] = '\0';
	sys_close(ends[0]);
	return got > 0;
}

/* Name the blocking process in the error after the deadline; so far the message is SQLite's own. */
static void name_blocker(const struct hf_db_pause *pause, struct hf_err *err)
{
	char blocker[BLOCKER_SIZE], message[sizeof(err->message)];

	if (!err)
		return;
	if (find_blocker(pause, blocker)) {
		snprintf(message, sizeof(message), "%s", err->message);
		hf_fail(err, HF_BUSY, "%s, namely %s", message, blocker);
	}
	hf_advise(err, "wait longer with -w, or see what that program does");
}

bool hf_db_pause(struct hf_db_pause *pause, enum hf_status *status, struct hf_err *err)
{
	char blocker[BLOCKER_SIZE];

	if (hf_time_left(pause->wait->deadline) > 0) {
		enum hf_status order =
			hf_turnstile_check_order(pause->path, !pause->checked, err);

		if (order != HF_OK) {
			*status = order;
			return false;
		}
	}
	pause->checked = true;
	if (hf_wait_notice_is_due(&pause->notice) && find_blocker(pause, blocker))
		hf_wait_notice_say(pause->wait, "waiting for '%s', held by %s", pause->path,
				   blocker);
	if (hf_backoff_sleep(&pause->backoff))
		return true;
	name_blocker(pause, err);
	return false;
}
