/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_H
#define HF_DB_H

/*
 * A SQLite database, by its rules and ours.
 *
 * Every writer here is one BEGIN IMMEDIATE transaction under the database's turnstile. BEGIN alone
 * (deferred) would read first and upgrade later, and the upgrade is refused at once, whatever the
 * timeout, if anybody wrote in between. And without a queue all waiters poll, and old ones starve.
 *
 *	connect		open, and read the schema. While several processes come and go, the WAL then
 *			stays: none of them is the last to close, and so none has to checkpoint.
 *	turnstile	waited for in the kernel's queue, to the deadline
 *	BEGIN IMMEDIATE	SQLite's own write lock, tried without waiting. If somebody foreign has it,
 *			the turnstile is given back, and after a backoff of at most 20 ms both are
 *			tried again: nothing is held while something foreign is waited for (lock.h).
 *	…		the caller's statements
 *	COMMIT		a reader may be in its way where the journal is a rollback journal. Then
 *			the COMMIT alone is made again, to the deadline; no new reader gets in.
 *	turnstile	given back
 *
 * D1  Nothing is written outside of such a transaction, and a checkpoint is made only under the
 *     turnstile (in a COMMIT) or by the last of all connections. SQLite 3.7.0 to 3.51.2 can damage
 *     a database when a checkpoint and a commit of two processes meet.
 * D2  HF_OK from hf_db_commit(): committed, and (HF_SYNC_FULL) durable. HF_UNCERTAIN: committed, but
 *     perhaps not durable. HF_UNKNOWN: SQLite failed in the middle of it, and what became of it
 *     shows when the database is opened next. Any other
 *     status: rolled back, as if it had never begun.
 * D3  A database that is made here is made under its turnstile, and is in WAL mode. Nobody sees it
 *     in any other but as an empty file, and an empty file counts as absent: what a maker who died
 *     left is made good by the next.
 * D4  A wait ends at the deadline (HF_BUSY), and names who writes. A reader has 50 ms at least: no
 *     writer is in its way, but who closes the database has all of it locked for an instant.
 * D5  While a lock on a Git repository is inherited, or kept for an ancestor, a wait is refused at
 *     once (HF_USAGE): SQLite comes before Git, everywhere.
 * D6  Whoever holds the turnstile may put another database in the place of this one, or remove it
 *     (lock-run --sqlite). So the file that was opened before the wait is compared with the one
 *     that has the name now, and if it is another that is opened: nothing is written to, or read
 *     from, a file that has no name any more.
 *
 * Readers take no turnstile and wait for no writer (WAL), or for the moment of a writer's COMMIT
 * (rollback journal). A reader leaves a -wal that it finds: it does not checkpoint.
 *
 * Blocks other holdfast tools that write to this database, and lock-run --sqlite; other programs as
 * SQLite does. A process that dies is rolled back by SQLite, and its turnstile is free at once.
 * Statements are the next room's (sqlite/query.h). Errors and threads: sqlite/connection.h.
 * Signals: none are handled.
 */

#include <holdfast/atomic.h> /* enum hf_sync */
#include <holdfast/lock_wait.h>
#include "sqlite/connection.h"

struct hf_db;

enum hf_db_flags {
	HF_DB_CREATE = 1,	   /* make an absent one; it is WAL then */
	HF_DB_READ = 2,		   /* nothing can be written */
	HF_DB_WAL = 4,		   /* turn one that exists to WAL */
	HF_DB_NO_FOREIGN_KEYS = 8, /* foreign_keys off */
};

struct hf_db_options {
	unsigned int flags;
	enum hf_sync sync;   /* synchronous = EXTRA, NORMAL, OFF */
	struct hf_wait wait; /* one deadline for everything that waits, and the notice */
	const char *backoff; /* --backoff, or NULL */
};

/* path and options are copied, but for options->backoff. HF_NOINPUT: it is absent (without
 * HF_DB_CREATE). HF_DATA: it is no regular file. HF_USAGE: path is "" or ":memory:". What is no
 * database shows at the first begin. */
enum hf_status hf_db_open(struct hf_db **db, const char *path, const struct hf_db_options *options,
			  struct hf_err *err);

/* Rolls back what is not committed. NULL is allowed; errno survives. */
void hf_db_close(struct hf_db *db);

/* A new deadline, for the transactions to come. */
void hf_db_wait(struct hf_db *db, const struct hf_wait *wait);

/* Turnstile and BEGIN IMMEDIATE; a snapshot, where it was opened for reading. */
enum hf_status hf_db_begin(struct hf_db *db, struct hf_err *err);

typedef enum hf_status hf_db_work(void *context, struct hf_err *err);

/* A whole transaction, from begin to commit. before (may be NULL) is called under the turnstile,
 * outside of any transaction, as some PRAGMAs want it; body inside. Where somebody foreign was in
 * the way of body, which can only be on an attached database, both are called once more. The
 * connection is another one then, so statements are prepared in body. Where he was in the way
 * before that, what was done stays done (a VACUUM INTO, which makes a file). */
enum hf_status hf_db_transact(struct hf_db *db, hf_db_work *before, hf_db_work *body, void *context,
			      struct hf_err *err);

/* Do something under the turnstile and outside of any transaction (VACUUM), and give it back. */
enum hf_status hf_db_outside_transaction(struct hf_db *db, hf_db_work *work, void *context,
					 struct hf_err *err);

/* BEGIN IMMEDIATE alone, at once (HF_BUSY), for one who holds the turnstile in a set of his own. */
enum hf_status hf_db_begin_nowait(struct hf_db *db, struct hf_err *err);

/* A snapshot for reading, by whatever connection: no turnstile. It is there when this returns. */
enum hf_status hf_db_begin_read(struct hf_db *db, struct hf_err *err);

/* COMMIT, and give the turnstile back. */
enum hf_status hf_db_commit(struct hf_db *db, struct hf_err *err);
void hf_db_rollback(struct hf_db *db);
bool hf_db_in_transaction(const struct hf_db *db);

/* The connection, for sqlite/connection.h's other functions. Transactions are begun and ended above
 * only. */
struct hf_sqlite_conn *hf_db_sql(struct hf_db *db);
const char *hf_db_path(const struct hf_db *db);

#endif
