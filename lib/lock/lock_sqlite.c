/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_sqlite.h>

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "lock/sqlite_freeze.h"
#include "lock/turnstile.h"
#include "probe/sqlite_locks.h"
#include "wait/file_watch.h"
#include "wait/wait_notice.h"
#include <holdfast/path.h>
#include <holdfast/proc.h>

enum { TURN, WATCHED, FROZEN }; /* strictness */

struct sqlite {
	struct hf_target turnstile; /* first: lock/turnstile.h; shares db.dir */
	struct hf_target db;
	int file;    /* the database or -1; with O_PATH: closing it releases no lock of SQLite */
	bool passed; /* goes on without the turnstile, which is another user's (lock/N6) */
	struct sqlite *next;
	struct hf_sqlite_probe probe;	  /* except TURN */
	struct hf_sqlite_freezer freezer; /* FROZEN */
};

/* Find the database's directory, entry and stat; st_mode 0: it is absent. */
static enum hf_status find_database(struct hf_target *db, const char *path, struct stat *st,
				    struct hf_err *err)
{
	enum hf_status status;

	if (strcmp(path, ":memory:") == 0) {
		hf_fail(err, HF_USAGE, "cannot lock '%s': it is not a file", path);
		hf_advise(err, "a database in memory has no other user and needs no lock");
		return HF_USAGE;
	}
	status = hf_target_open(db, path, HF_TARGET_NO_SYNC, err);
	if (status != HF_OK)
		return status;
	*st = (struct stat){0};
	if (sys_fstatat(db->dir, db->name, st, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		status = hf_fail_errno(err, "cannot inspect database '%s'", path);
	else if (st->st_mode && !S_ISREG(st->st_mode))
		status = hf_fail(err, HF_DATA, "cannot lock database '%s': not a regular file",
				 path);
	if (status != HF_OK)
		hf_target_close(db);
	return status;
}

/* The locks of this thread that do without a turnstile. */
static _Thread_local struct sqlite *passed;

bool hf_sqlite_passed_rightly(void)
{
	for (const struct sqlite *s = passed; s; s = s->next)
		if (!HF_WITHOUT(turnstile_recheck) &&
		    !hf_turnstile_is_unusable(&s->turnstile, s->file))
			return false;
	return true;
}

/* Go on without a turnstile (lock/N6). The database takes its place in the order of the set. */
static void pass(struct hf_lock *lock, struct sqlite *s)
{
	if (sys_fstat(s->file, &lock->st) < 0)
		sys_fstatat(s->turnstile.dir, s->turnstile.name, &lock->st, AT_SYMLINK_NOFOLLOW);
	s->passed = true;
	s->next = passed;
	passed = s;
}

static void close_database(struct sqlite *s)
{
	for (struct sqlite **at = &passed; s->passed && *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	s->passed = false;
	hf_sqlite_probe_close(&s->probe);
	hf_close(s->file);
	s->file = -1;
	hf_target_close(&s->db);
}

/* Open what the external lock needs. On failure nothing is open. */
static enum hf_status open_database(struct hf_lock *lock, struct stat *st, struct hf_err *err)
{
	struct sqlite *s = lock->kind_data;
	enum hf_status status;

	*s = (struct sqlite){.file = -1, .probe = {-1, -1}, .freezer = {.process = -1, .fd = -1}};
	status = find_database(&s->db, lock->path, st, err);
	if (status != HF_OK)
		return status;
	if (lock->ops->strictness == FROZEN && !st->st_mode)
		status = hf_fail(err, HF_NOINPUT, "cannot freeze '%s': there is no such database",
				 lock->path);
	else if (lock->ops->strictness != TURN)
		status = hf_sqlite_probe_open(&s->probe, &s->db, err);
	if (status != HF_OK)
		close_database(s);
	return status;
}

/* All kinds but hf_lock_sqlite may pass without the turnstile (lock/N6). */
static enum hf_status open_turnstile(struct hf_lock *lock, const struct stat *st,
				     struct hf_err *err)
{
	struct sqlite *s = lock->kind_data;
	enum hf_status status;
	struct hf_err own;

	s->turnstile = s->db;
	if (snprintf(s->turnstile.name, sizeof(s->turnstile.name), "%s" HF_SQLITE_TURNSTILE,
		     s->db.name) > NAME_MAX)
		return hf_fail(err, HF_USAGE, "cannot lock '%s': its name is too long for %s",
			       lock->path, HF_SQLITE_TURNSTILE);
	if (st->st_mode) {
		s->file = sys_openat(s->db.dir, s->db.name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
		if (s->file < 0)
			return hf_fail_errno(err, "cannot open database '%s'", lock->path);
	}
	status = hf_turnstile_open(lock, &s->turnstile, s->file, &own);
	if (status == HF_NO && lock->ops != &hf_lock_sqlite) {
		hf_turnstile_ignored(&own);
		pass(lock, s);
		return HF_OK;
	}
	if (status != HF_OK && err)
		*err = own;
	return status == HF_NO ? own.status : status;
}

static enum hf_status open_sqlite(struct hf_lock *lock, struct hf_err *err)
{
	struct stat st;
	/* first: a user who may not read the database must not create its turnstile */
	enum hf_status status = open_database(lock, &st, err);

	if (status != HF_OK)
		return status;
	status = open_turnstile(lock, &st, err);
	if (status != HF_OK)
		close_database(lock->kind_data);
	return status;
}

static void release_sqlite(struct hf_lock *lock)
{
	struct sqlite *s = lock->kind_data;
	int saved = errno;

	hf_sqlite_freeze_end(&s->freezer, lock->lent);
	hf_turnstile_release(lock);
	close_database(s);
	errno = saved;
}

static enum hf_status fail_writer_busy(const char *path, const struct hf_sqlite_user *user,
				       struct hf_err *err)
{
	char who[512];

	hf_fail(err, HF_BUSY, "cannot lock '%s': held by %s, which %s", path,
		hf_proc_describe(who, sizeof(who), user->pid), hf_sqlite_does(user->role));
	if (user->pid)
		hf_advise(err, "wait longer with -w, or see what PID %d does", (int)user->pid);
	else
		hf_advise(err, "wait longer with -w");
	return HF_BUSY;
}

static enum hf_status try_sqlite(struct hf_lock *lock, struct hf_err *err)
{
	struct sqlite *s = lock->kind_data;
	struct hf_sqlite_user user;

	/* an ancestor that holds it has tried */
	if (lock->inherited >= 0 || !hf_sqlite_writer(&s->probe, &s->db, &user))
		return HF_OK;
	return fail_writer_busy(lock->path, &user, err);
}

/* Wait until no writer is visible (lock/W2). If none is visible at first, something else
 * conflicted with the freeze: pause at least once. */
static enum hf_status wait_for_writer(const struct hf_lock *lock, const struct hf_wait *wait,
				      struct hf_err *err)
{
	struct sqlite *s = lock->kind_data;
	struct hf_wait_notice notice = hf_wait_notice_begin(wait);
	bool pause = lock->ops->strictness == FROZEN;
	struct hf_sqlite_user user;
	char who[512];
	struct hf_file_watch watch;
	enum hf_status status = hf_file_watch_begin_often(&watch, wait->deadline, err);

	if (status != HF_OK)
		return status;
	for (; hf_sqlite_writer(&s->probe, &s->db, &user) || pause; pause = false) {
		if (hf_wait_notice_is_due(&notice))
			hf_wait_notice_say(wait, "waiting for '%s', held by %s, which %s",
					   lock->path, hf_proc_describe(who, sizeof(who), user.pid),
					   hf_sqlite_does(user.role));
		hf_file_watch_process(&watch, user.pid);
		if (!hf_file_watch_sleep(&watch)) {
			status = fail_writer_busy(lock->path, &user, err);
			break;
		}
	}
	hf_file_watch_end(&watch);
	return status;
}

static enum hf_status wait_sqlite(struct hf_lock *lock, const struct hf_wait *wait,
				  struct hf_err *err)
{
	struct stat st;
	enum hf_status status = open_database(lock, &st, err);

	if (status != HF_OK)
		return status;
	status = wait_for_writer(lock, wait, err);
	close_database(lock->kind_data);
	return status;
}

static enum hf_status try_sqlite_freeze(struct hf_lock *lock, struct hf_err *err)
{
	struct sqlite *s = lock->kind_data;
	struct hf_sqlite_user user;
	enum hf_status status;

	if (hf_sqlite_writer(&s->probe, &s->db, &user)) {
		/* an ancestor, or its keeper, has frozen it */
		if (lock->inherited >= 0 &&
		    hf_sqlite_freeze_is_ours(&s->freezer, user.pid, lock->borrowed)) {
			lock->external_fd = s->freezer.fd;
			return HF_OK;
		}
		return fail_writer_busy(lock->path, &user, err);
	}
	/* from here on SQLite's locks and ours belong to different processes (probe/Q3) */
	status = hf_sqlite_freeze_begin(&s->freezer, lock->path, lock->deadline, err);
	lock->external_fd = s->freezer.fd;
	if (status == HF_OK && !hf_sqlite_passed_rightly())
		return hf_fail(err, HF_BUSY,
			       "cannot freeze '%s': its turnstile was created concurrently",
			       lock->path);
	return status;
}

bool hf_sqlite_thawed(const struct hf_lock *lock)
{
	const struct sqlite *s = lock->kind_data;

	return lock->ops == &hf_lock_sqlite_freeze && lock->state == HF_LOCK_HELD &&
	       hf_sqlite_freeze_lost(&s->freezer);
}

static const char family[] = "sqlite";

const struct hf_lock_ops hf_lock_sqlite_freeze = {
	.name = "frozen sqlite",
	.rank = 3,
	.inherits = true,
	.exclusive = true,
	.family = family,
	.strictness = FROZEN,
	.data_size = sizeof(struct sqlite),
	.open = open_sqlite,
	.take = hf_turnstile_take,
	.try = try_sqlite_freeze,
	.wait = wait_sqlite,
	.release = release_sqlite,
	.may_wait = hf_turnstile_may_wait,
};

const struct hf_lock_ops hf_lock_sqlite = {
	.name = "sqlite",
	.rank = 3,
	.inherits = true,
	.family = family,
	.strictness = WATCHED,
	.data_size = sizeof(struct sqlite),
	.open = open_sqlite,
	.take = hf_turnstile_take,
	.try = try_sqlite,
	.wait = wait_sqlite,
	.release = release_sqlite,
	.may_wait = hf_turnstile_may_wait,
};

const struct hf_lock_ops hf_lock_sqlite_idle = {
	.name = "sqlite",
	.rank = 3,
	.inherits = true,
	.family = family,
	.strictness = WATCHED,
	.data_size = sizeof(struct sqlite),
	.open = open_sqlite,
	.take = hf_turnstile_take,
	.try = try_sqlite,
	.wait = wait_sqlite,
	.release = release_sqlite,
	.may_wait = hf_turnstile_may_wait,
};

const struct hf_lock_ops hf_lock_sqlite_turn = {
	.name = "sqlite",
	.rank = 3,
	.inherits = true,
	.family = family,
	.strictness = TURN,
	.data_size = sizeof(struct sqlite),
	.open = open_sqlite,
	.take = hf_turnstile_take,
	.release = release_sqlite,
};
