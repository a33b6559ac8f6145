/* SPDX-License-Identifier: ISC */
#include "sqlite/db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite/db_busy.h"
#include "sqlite/commit_outcome.h"
#include <holdfast/lock_sqlite.h>
#include <holdfast/lockset.h>
#include <holdfast/path.h>
#include "sqlite/shm_space.h"
#include "base/sys.h"

struct hf_db {
	struct hf_sqlite_conn *sql; /* NULL: the database is to be made, or opened again */
	char *path;
	struct hf_db_options options;
	struct hf_lockset *turn;
	bool has_turn;
	bool connected; /* the PRAGMAs are set */
	bool prepared;	/* the work before the transaction is done, on this connection */
	bool found_log; /* there was a -wal with content before we opened it */
	bool passed_wrongly; /* the last try had no turnstile, and one exists now */
};

/*
 * The turnstile.
 */

static enum hf_status acquire_turnstile(struct hf_db *db, struct hf_err *err)
{
	enum hf_status status;

	if (!db->turn) {
		db->turn = hf_lockset_new();
		if (!hf_lockset_add(db->turn, &hf_lock_sqlite_turn, db->path, HF_LOCK_EXCLUSIVE,
				    err))
			return HF_OS;
	}
	status = hf_lockset_acquire(db->turn, &db->options.wait, err);
	db->has_turn = status == HF_OK;
	return status;
}

static void release_turnstile(struct hf_db *db)
{
	if (db->has_turn)
		hf_lockset_release(db->turn);
	db->has_turn = false;
}

/*
 * Opening.
 */

/* Find out whether the database exists. An empty file counts as absent if it may be made
 * (sqlite/D3). */
static enum hf_status check_db_file(const char *path, bool create, bool *absent, struct hf_err *err)
{
	struct stat st;

	*absent = false;
	if (!*path)
		return hf_path_empty(err);
	if (strcmp(path, ":memory:") == 0) {
		hf_fail(err, HF_USAGE, "'%s' is not a path of a database", path);
		hf_advise(err, "no other process can open a database in memory: it needs no lock");
		return HF_USAGE;
	}
	if (sys_fstatat(AT_FDCWD, path, &st, 0) < 0) {
		*absent = create && errno == ENOENT;
		if (*absent)
			return HF_OK;
		return errno == ENOENT ? hf_fail_errno_as(err, HF_NOINPUT, "cannot open '%s'", path)
				       : hf_fail_errno(err, "cannot open '%s'", path);
	}
	if (!S_ISREG(st.st_mode))
		return hf_fail(err, HF_DATA, "cannot open '%s': it is not a regular file", path);
	*absent = create && st.st_size == 0;
	return HF_OK;
}

static bool has_log(const char *path)
{
	struct stat st;
	bool found;
	char *log;

	if (asprintf(&log, "%s-wal", path) < 0)
		return false;
	found = sys_fstatat(AT_FDCWD, log, &st, 0) == 0 && st.st_size > 0;
	free(log);
	return found;
}

static enum hf_status open_database(struct hf_db *db, bool create, struct hf_err *err)
{
	db->found_log = has_log(db->path);
	return hf_sqlite_open(&db->sql, db->path, db->path, create, err);
}

enum hf_status hf_db_open(struct hf_db **result, const char *path,
			  const struct hf_db_options *options, struct hf_err *err)
{
	enum hf_status status;
	struct hf_db *db;
	bool absent;

	*result = NULL;
	status = check_db_file(path, options->flags & HF_DB_CREATE, &absent, err);
	if (status != HF_OK)
		return status;
	db = calloc(1, sizeof(*db));
	if (db)
		db->path = strdup(path);
	if (!db || !db->path) {
		free(db);
		return hf_fail(err, HF_OS, "cannot open '%s': out of memory", path);
	}
	db->options = *options;
	if (!absent)
		status = open_database(db, options->flags & HF_DB_CREATE, err);
	if (status == HF_OK)
		*result = db;
	else
		hf_db_close(db);
	return status;
}

void hf_db_close(struct hf_db *db)
{
	int saved = errno;

	if (!db)
		return;
	hf_sqlite_close(db->sql);
	hf_lockset_free(db->turn);
	free(db->path);
	free(db);
	errno = saved;
}

void hf_db_wait(struct hf_db *db, const struct hf_wait *wait)
{
	db->options.wait = *wait;
}

/* Set the PRAGMAs, which read the schema: from now on the connection keeps the log. */
static enum hf_status connect_to(struct hf_db *db, struct hf_err *err)
{
	/* EXTRA is FULL, and makes the end of a rollback journal durable too: a journal that comes
	 * back after a power cut would roll back a committed transaction */
	static const char *const levels[] = {
		[HF_SYNC_FULL] = "EXTRA", [HF_SYNC_DATA] = "NORMAL", [HF_SYNC_NONE] = "OFF"};
	unsigned int flags = db->options.flags;
	char pragmas[120];
	enum hf_status status;

	if (db->connected)
		return HF_OK;
	snprintf(pragmas, sizeof(pragmas),
		 "PRAGMA foreign_keys=%s; PRAGMA query_only=%s; PRAGMA synchronous=%s",
		 flags & HF_DB_NO_FOREIGN_KEYS ? "OFF" : "ON", flags & HF_DB_READ ? "ON" : "OFF",
		 levels[db->options.sync]);
	status = hf_sqlite_run(db->sql, pragmas, "open", err);
	if (status == HF_OK && flags & HF_DB_READ && db->found_log)
		hf_sqlite_keep_wal(db->sql);
	db->connected = status == HF_OK;
	return status;
}

/* Close the connection, as if it had not been opened. Attached databases are detached. */
static void disconnect(struct hf_db *db)
{
	hf_sqlite_close(db->sql);
	db->sql = NULL;
	db->connected = db->prepared = false;
}

/* Under the turnstile: make the database, change it to WAL mode, or open the one that has the name
 * now (sqlite/D6). A reader makes none. */
static enum hf_status make_or_reopen(struct hf_db *db, bool reads, struct hf_err *err)
{
	bool create = db->options.flags & HF_DB_CREATE && !reads;
	bool to_wal = db->options.flags & HF_DB_WAL, absent = false;
	enum hf_status status;

	if (db->sql && hf_sqlite_has_moved(db->sql))
		disconnect(db);
	if (!db->sql) {
		status = check_db_file(db->path, create, &absent, err);
		if (status == HF_OK)
			status = open_database(db, create, err);
		if (status != HF_OK)
			return status;
		to_wal = to_wal || absent;
	}
	if (to_wal) {
		status = hf_sqlite_run(db->sql, "PRAGMA journal_mode=WAL", "turn to WAL mode", err);
		if (status != HF_OK && absent)
			disconnect(db); /* an external program may be making it: check again
					 * (sqlite/D3) */
		if (status != HF_OK)
			return status;
		db->options.flags &= ~(unsigned int)HF_DB_WAL;
	}
	return connect_to(db, err);
}

/*
 * Transactions.
 */

static enum hf_status pause_begin(struct hf_db_pause *pause, struct hf_db *db, bool readers,
				  struct hf_err *err)
{
	return hf_db_pause_begin(pause, db->path, &db->options.wait, db->options.backoff, readers,
				 err);
}

/* A call failed: pause and return true if it must be repeated. Otherwise *status is the result. */
static bool pause_and_retry(struct hf_db *db, struct hf_db_pause *pause, enum hf_status *status,
			    struct hf_err *err)
{
	return *status == HF_BUSY &&
	       (!db->sql || db->passed_wrongly ||
		hf_db_code(hf_sqlite_code(db->sql))->class != HF_DB_NEVER) &&
	       hf_db_pause(pause, status, err);
}

/* sqlite/D4 */
#define READERS_PATIENCE (50 * HF_MS)

enum begins { NOTHING, TO_WRITE, TO_READ };

/* Try once, under the turnstile (a reader has none). */
static enum hf_status try_once(struct hf_db *db, hf_db_work *before, void *context,
			       enum begins begins, struct hf_err *err)
{
	enum hf_status status;

	db->passed_wrongly = false;
	status = make_or_reopen(db, begins == TO_READ, err);
	if (status == HF_OK && before && !db->prepared) {
		status = before(context, err);
		db->prepared = status == HF_OK;
	}
	if (status != HF_OK || begins == NOTHING)
		return status;
	if (begins == TO_WRITE) {
		status = hf_sqlite_run(db->sql, "BEGIN IMMEDIATE", "write to", err);
		if (status == HF_OK && !hf_sqlite_passed_rightly()) {
			hf_sqlite_run(db->sql, "ROLLBACK", "roll back", NULL);
			db->passed_wrongly = true;
			status = hf_fail(err, HF_BUSY, "cannot write to '%s': its turnstile was "
						       "created concurrently", db->path);
		}
		return status;
	}
	/* the first read takes the snapshot, not BEGIN */
	return hf_sqlite_run(db->sql, "BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1", "read", err);
}

/* Try until it succeeds or the deadline passes. If a transaction has begun, the turnstile stays
 * held. */
static enum hf_status until_done(struct hf_db *db, hf_db_work *before, void *context,
				 enum begins begins, struct hf_err *err)
{
	bool reads = db->options.flags & HF_DB_READ || begins == TO_READ;
	struct hf_wait wait = db->options.wait;
	struct hf_db_pause pause;
	enum hf_status status;

	if (reads && hf_time_left(wait.deadline) < READERS_PATIENCE)
		wait.deadline = hf_now() + READERS_PATIENCE;
	status = hf_db_pause_begin(&pause, db->path, &wait, db->options.backoff, false, err);
	if (status != HF_OK)
		return status;
	if (db->sql && !reads)
		connect_to(db, NULL); /* if it is busy, it is done later, under the turnstile */
	for (;;) {
		if (!reads)
			status = acquire_turnstile(db, err);
		if (status != HF_OK)
			return status;
		status = try_once(db, before, context, begins, err);
		if (status == HF_OK && begins)
			return HF_OK;
		hf_db_rollback(db);
		if (!pause_and_retry(db, &pause, &status, err))
			return status;
		status = HF_OK;
	}
}

static enum begins begin_as(const struct hf_db *db)
{
	return db->options.flags & HF_DB_READ ? TO_READ : TO_WRITE;
}

enum hf_status hf_db_begin(struct hf_db *db, struct hf_err *err)
{
	return until_done(db, NULL, NULL, begin_as(db), err);
}

enum hf_status hf_db_begin_read(struct hf_db *db, struct hf_err *err)
{
	return until_done(db, NULL, NULL, TO_READ, err);
}

enum hf_status hf_db_outside_transaction(struct hf_db *db, hf_db_work *work, void *context,
					 struct hf_err *err)
{
	db->prepared = false;
	return until_done(db, work, context, NOTHING, err);
}

enum hf_status hf_db_begin_nowait(struct hf_db *db, struct hf_err *err)
{
	return try_once(db, NULL, NULL, TO_WRITE, err);
}

enum hf_status hf_db_transact(struct hf_db *db, hf_db_work *before, hf_db_work *body, void *context,
			      struct hf_err *err)
{
	struct hf_db_pause pause;
	enum hf_status status = pause_begin(&pause, db, false, err);

	db->prepared = false;
	while (status == HF_OK) {
		status = until_done(db, before, context, begin_as(db), err);
		if (status != HF_OK)
			break;
		status = body(context, err);
		if (status == HF_OK)
			return hf_db_commit(db, err);
		hf_db_rollback(db);
		if (!pause_and_retry(db, &pause, &status, err))
			break;
		disconnect(db);
		status = HF_OK;
	}
	return status;
}

enum hf_status hf_db_commit(struct hf_db *db, struct hf_err *err)
{
	struct hf_db_pause pause;
	enum hf_status status = pause_begin(&pause, db, true, err), before;

	if (status == HF_OK) {
		before = hf_sql_shm_says(HF_UNKNOWN);
		do {
			status = hf_sqlite_run(db->sql, "COMMIT", "commit to", err);
		} while (pause_and_retry(db, &pause, &status, err));
		hf_sql_shm_says(status == HF_OK ? HF_UNCERTAIN : before);
	}
	if (status == HF_IO)
		status = hf_db_resolve_commit(db->sql, err);
	hf_db_rollback(db);
	return status;
}

void hf_db_rollback(struct hf_db *db)
{
	if (hf_db_in_transaction(db))
		hf_sqlite_run(db->sql, "ROLLBACK", "roll back", NULL);
	release_turnstile(db);
}

bool hf_db_in_transaction(const struct hf_db *db)
{
	return db->sql && hf_sqlite_in_transaction(db->sql);
}

struct hf_sqlite_conn *hf_db_sql(struct hf_db *db)
{
	return db->sql;
}

const char *hf_db_path(const struct hf_db *db)
{
	return db->path;
}
