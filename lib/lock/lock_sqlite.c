/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_sqlite.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wait/file_watch.h"
#include "wait/wait_notice.h"
#include <holdfast/path.h>
#include <holdfast/proc.h>
#include "lock/sqlite_freeze.h"
#include "probe/sqlite_locks.h"
#include "base/sys.h"
#include "lock/turnstile.h"

struct sqlite {
	struct hf_target db, turnstile;
	int file; /* the database or -1; with O_PATH: closing it releases no lock of SQLite */
	bool passed; /* goes on without the turnstile, which is another user's (lock/N6) */
	struct sqlite *next;
	struct hf_sqlite_probe look;
	struct hf_sqlite_freezer hold; /* freeze */
};

/* Find the database's directory, entry and stat; st_mode 0: it is absent. */
static enum hf_status find_database(struct hf_target *db, const char *path, struct stat *st,
				    struct hf_err *err)
{
	enum hf_status status;

	if (strcmp(path, ":memory:") == 0) {
		hf_fail(err, HF_USAGE, "cannot lock '%s': it is not a file", path);
		hf_advise(err, "a database in memory is nobody else's and needs no lock");
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
		    !hf_turnstile_is_foreign(&s->turnstile, s->file))
			return false;
	return true;
}

/* Go on without a turnstile (lock/N6). The database takes its place in the order of the set. */
static enum hf_status pass(struct hf_lock *lock, struct sqlite *s)
{
	if (sys_fstat(s->file, &lock->st) < 0)
		sys_fstatat(s->turnstile.dir, s->turnstile.name, &lock->st, AT_SYMLINK_NOFOLLOW);
	s->passed = true;
	s->next = passed;
	passed = s;
	lock->own = s;
	return HF_OK;
}

static void close_sqlite(struct sqlite *s)
{
	for (struct sqlite **at = &passed; s->passed && *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			break;
		}
	if (s->file >= 0)
		sys_close(s->file);
	hf_target_close(&s->db);
	free(s);
}

/* may_pass: the caller takes SQLite's own lock too. */
static enum hf_status open_own(struct hf_lock *lock, bool may_pass, struct hf_err *err)
{
	struct sqlite *s = calloc(1, sizeof(*s));
	struct hf_err own;
	enum hf_status status;
	struct stat st;
	int n;

	if (!s)
		return hf_fail_errno(err, "cannot lock '%s'", lock->path);
	s->look = (struct hf_sqlite_probe){-1, -1};
	s->hold.fd = s->hold.process = s->file = -1;
	status = find_database(&s->db, lock->path, &st, err);
	if (status != HF_OK) {
		free(s);
		return status;
	}
	s->turnstile = s->db;
	n = snprintf(s->turnstile.name, sizeof(s->turnstile.name), "%s" HF_SQLITE_TURNSTILE,
		     s->db.name);
	if (n > NAME_MAX)
		status = hf_fail(err, HF_USAGE, "cannot lock '%s': its name is too long for %s",
				 lock->path, HF_SQLITE_TURNSTILE);
	if (status == HF_OK && st.st_mode) {
		s->file = sys_openat(s->db.dir, s->db.name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
		if (s->file < 0)
			status = hf_fail_errno(err, "cannot open database '%s'", lock->path);
	}
	if (status == HF_OK) {
		status = hf_turnstile_open(lock, &s->turnstile, s->file, &own);
		if (status == HF_NO && may_pass) {
			hf_turnstile_ignored(&own);
			return pass(lock, s);
		}
		if (status == HF_NO)
			status = own.status;
		if (status != HF_OK && err)
			*err = own;
	}
	if (status != HF_OK) {
		close_sqlite(s);
		return status;
	}
	lock->own = s;
	return HF_OK;
}

static void release_db(struct hf_lock *lock)
{
	struct sqlite *s = lock->own;
	int saved = errno;

	hf_sqlite_hold_end(&s->hold, lock->lent);
	lock->second = -1;
	hf_turnstile_release(lock);
	hf_sqlite_probe_close(&s->look);
	close_sqlite(s);
	lock->own = NULL;
	errno = saved;
}

static enum hf_status open_turn(struct hf_lock *lock, struct hf_err *err)
{
	return open_own(lock, true, err);
}

static enum hf_status open_looked(struct hf_lock *lock, bool may_pass, struct hf_err *err)
{
	struct hf_sqlite_probe look;
	enum hf_status status;
	struct sqlite *s;
	struct stat st;
	struct hf_target db;

	/* first: a user who may not read the database must not create its turnstile */
	status = find_database(&db, lock->path, &st, err);
	if (status != HF_OK)
		return status;
	status = hf_sqlite_probe_open(&look, &db, err);
	hf_target_close(&db);
	if (status == HF_OK)
		status = open_own(lock, may_pass, err);
	if (status != HF_OK) {
		hf_sqlite_probe_close(&look);
		return status;
	}
	s = lock->own;
	s->look = look;
	return HF_OK;
}

static enum hf_status open_sqlite(struct hf_lock *lock, struct hf_err *err)
{
	return open_looked(lock, false, err);
}

static enum hf_status open_idle(struct hf_lock *lock, struct hf_err *err)
{
	return open_looked(lock, true, err);
}

static enum hf_status take_db_turnstile(struct hf_lock *lock, const struct hf_wait *wait,
					struct hf_err *err)
{
	struct sqlite *s = lock->own;
	struct hf_wait ours = *wait;

	if (s->passed)
		return HF_OK;
	ours.forbid = hf_turnstile_forbid;
	return hf_turnstile_take(lock, &s->turnstile, &ours, err);
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
	struct sqlite *s = lock->own;
	struct hf_sqlite_user user;

	/* an ancestor that holds it has tried */
	if (lock->inherited >= 0 || !hf_sqlite_writer(&s->look, &s->db, &user))
		return HF_OK;
	return fail_writer_busy(lock->path, &user, err);
}

/* Wait until no writer is visible (lock/W2). If none is visible at first, something else
 * conflicted: pause at least once. */
static enum hf_status wait_for_writer(const char *path, const struct hf_target *db,
				      struct hf_sqlite_probe *look, const struct hf_wait *wait,
				      bool frozen, struct hf_err *err)
{
	struct hf_wait_notice notice = hf_wait_notice_begin(wait);
	struct hf_sqlite_user user;
	char who[512];
	struct hf_file_watch await;
	enum hf_status status = hf_file_watch_begin_often(&await, wait->deadline, err);

	if (status != HF_OK)
		return status;
	for (; hf_sqlite_writer(look, db, &user) || frozen; frozen = false) {
		if (hf_wait_notice_is_due(&notice))
			hf_wait_notice_say(wait, "waiting for '%s', held by %s, which %s", path,
					   hf_proc_describe(who, sizeof(who), user.pid),
					   hf_sqlite_does(user.role));
		hf_file_watch_process(&await, user.pid);
		if (!hf_file_watch_sleep(&await)) {
			status = fail_writer_busy(path, &user, err);
			break;
		}
	}
	hf_file_watch_end(&await);
	return status;
}

static enum hf_status wait_sqlite(struct hf_lock *lock, const struct hf_wait *wait,
				  struct hf_err *err)
{
	struct hf_sqlite_probe look;
	struct hf_target db;
	struct stat st;
	enum hf_status status = find_database(&db, lock->path, &st, err);

	if (status != HF_OK)
		return status;
	status = hf_sqlite_probe_open(&look, &db, err);
	if (status == HF_OK)
		status = wait_for_writer(lock->path, &db, &look, wait,
					 lock->ops == &hf_lock_sqlite_freeze, err);
	hf_sqlite_probe_close(&look);
	hf_target_close(&db);
	return status;
}

static enum hf_status open_db_freeze(struct hf_lock *lock, struct hf_err *err)
{
	struct hf_target db;
	enum hf_status status;
	struct stat st;

	if (lock->mode == HF_LOCK_SHARED) {
		hf_fail(err, HF_USAGE,
			"cannot freeze '%s' shared: a frozen database is one holder's", lock->path);
		hf_advise(err, "leave out -s for it");
		return HF_USAGE;
	}
	status = find_database(&db, lock->path, &st, err);
	if (status != HF_OK)
		return status;
	hf_target_close(&db);
	if (!st.st_mode)
		return hf_fail(err, HF_NOINPUT, "cannot freeze '%s': there is no such database",
			       lock->path);
	return open_looked(lock, true, err);
}

static enum hf_status try_db_freeze(struct hf_lock *lock, struct hf_err *err)
{
	struct sqlite *s = lock->own;
	struct hf_sqlite_user user;
	enum hf_status status;

	if (hf_sqlite_writer(&s->look, &s->db, &user)) {
		/* an ancestor, or its keeper, has frozen it */
		if (lock->inherited >= 0 &&
		    hf_sqlite_hold_is_ours(&s->hold, user.pid, lock->borrowed)) {
			lock->second = s->hold.fd;
			return HF_OK;
		}
		return fail_writer_busy(lock->path, &user, err);
	}
	/* from here on SQLite's locks and ours belong to different processes (probe/Q3) */
	status = hf_sqlite_hold_begin(&s->hold, lock->path, lock->deadline, err);
	lock->second = s->hold.fd;
	if (status == HF_OK && !hf_sqlite_passed_rightly())
		return hf_fail(err, HF_BUSY, "cannot freeze '%s': its turnstile has come meanwhile",
			       lock->path);
	return status;
}

bool hf_sqlite_thawed(const struct hf_lock *lock)
{
	const struct sqlite *s = lock->own;

	return lock->ops == &hf_lock_sqlite_freeze && lock->state == HF_LOCK_HELD &&
	       hf_sqlite_hold_lost(&s->hold);
}

static const char family[] = "sqlite";

const struct hf_lock_ops hf_lock_sqlite_freeze = {
	.name = "frozen sqlite",
	.rank = 3,
	.inherits = true,
	.family = family,
	.strictness = 2,
	.open = open_db_freeze,
	.take = take_db_turnstile,
	.try = try_db_freeze,
	.wait = wait_sqlite,
	.release = release_db,
};

const struct hf_lock_ops hf_lock_sqlite = {
	.name = "sqlite",
	.rank = 3,
	.inherits = true,
	.family = family,
	.strictness = 1,
	.open = open_sqlite,
	.take = take_db_turnstile,
	.try = try_sqlite,
	.wait = wait_sqlite,
	.release = release_db,
};

const struct hf_lock_ops hf_lock_sqlite_idle = {
	.name = "sqlite",
	.rank = 3,
	.inherits = true,
	.family = family,
	.strictness = 1,
	.open = open_idle,
	.take = take_db_turnstile,
	.try = try_sqlite,
	.wait = wait_sqlite,
	.release = release_db,
};

const struct hf_lock_ops hf_lock_sqlite_turn = {
	.name = "sqlite",
	.rank = 3,
	.inherits = true,
	.family = family,
	.open = open_turn,
	.take = take_db_turnstile,
	.release = release_db,
};
