/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_H
#define HF_DB_H

/*
 * A transaction on a SQLite database, under the database's turnstile.
 *
 *	hf_db_open()
 *	hf_db_begin(), statements (sqlite/query.h), hf_db_commit() or hf_db_rollback()
 *	or hf_db_transact(), which calls the caller's functions and tries again
 *	hf_db_close()
 *
 * Every writer is one BEGIN IMMEDIATE transaction. README.md describes the steps and the invariants
 * sqlite/D1 to D7. A reader takes no turnstile and waits for no writer (WAL), or for the moment of
 * a writer's COMMIT (rollback journal).
 *
 * Blocks other holdfast tools that write to this database, and lock-run --sqlite; other programs as
 * SQLite does. Errors and threads: sqlite/connection.h. A crash is rolled back by SQLite, and the
 * turnstile is free at once. Signals: none handled.
 */

#include <holdfast/atomic.h> /* enum hf_sync */
#include <holdfast/lock_wait.h>
#include "sqlite/connection.h"

struct hf_db;

enum hf_db_flags {
	HF_DB_CREATE = 1,	   /* make an absent database, in WAL mode */
	HF_DB_READ = 2,		   /* nothing can be written */
	HF_DB_WAL = 4,		   /* change an existing database to WAL mode */
	HF_DB_NO_FOREIGN_KEYS = 8, /* foreign_keys off */
};

struct hf_db_options {
	unsigned int flags;
	enum hf_sync sync;   /* synchronous = EXTRA, NORMAL, OFF */
	struct hf_wait wait; /* one deadline for all waits, and the notice */
	const char *backoff; /* --backoff, or NULL */
};

/* Open a database. path and options are copied, except options->backoff. HF_NOINPUT: it is absent
 * (without HF_DB_CREATE). HF_DATA: it is not a regular file. HF_USAGE: path is "" or ":memory:". A
 * file that is not a database is reported by the first begin. */
enum hf_status hf_db_open(struct hf_db **db, const char *path, const struct hf_db_options *options,
			  struct hf_err *err);

/* Roll back what is not committed, and close. NULL is allowed; errno is preserved. */
void hf_db_close(struct hf_db *db);

/* Set a new deadline for later transactions. */
void hf_db_wait(struct hf_db *db, const struct hf_wait *wait);

/* Take the turnstile and BEGIN IMMEDIATE; begin a snapshot if the database was opened for
 * reading. */
enum hf_status hf_db_begin(struct hf_db *db, struct hf_err *err);

typedef enum hf_status hf_db_work(void *context, struct hf_err *err);

/*
 * Run a whole transaction. before (or NULL) is called under the turnstile and outside the
 * transaction, as some PRAGMAs need it; body is called inside. If an external program blocks body,
 * which is possible only on an attached database, both are called again. The connection is a new
 * one then, so body must prepare its statements. If an external program blocked it earlier, the
 * effects of before stay (a VACUUM INTO, which makes a file).
 */
enum hf_status hf_db_transact(struct hf_db *db, hf_db_work *before, hf_db_work *body, void *context,
			      struct hf_err *err);

/* Call work under the turnstile and outside any transaction (VACUUM). */
enum hf_status hf_db_outside_transaction(struct hf_db *db, hf_db_work *work, void *context,
					 struct hf_err *err);

/* BEGIN IMMEDIATE without waiting (HF_BUSY), for a caller that holds the turnstile in a set of its
 * own. */
enum hf_status hf_db_begin_nowait(struct hf_db *db, struct hf_err *err);

/* Begin a snapshot on any connection, without the turnstile. The snapshot is taken when this
 * returns. */
enum hf_status hf_db_begin_read(struct hf_db *db, struct hf_err *err);

/* COMMIT, and release the turnstile. */
enum hf_status hf_db_commit(struct hf_db *db, struct hf_err *err);
void hf_db_rollback(struct hf_db *db);
bool hf_db_in_transaction(const struct hf_db *db);

/* Return the connection, for statements. Begin and end transactions only with the functions
 * above. */
struct hf_sqlite_conn *hf_db_sql(struct hf_db *db);
const char *hf_db_path(const struct hf_db *db);

#endif
