/* SPDX-License-Identifier: ISC */
#ifndef HF_SQL_H
#define HF_SQL_H

/*
 * SQLite as it is: a connection and its statements. The only room that includes sqlite3.h; what
 * SQLite says is turned here into the house's terms (a status, a message, advice:
 * sqlite/result_code.h), and here alone. Locks, turnstiles and transactions are the next room's
 * business (sqlite/db.h).
 *
 * Nothing here waits: SQLite's busy timeout is 0, and HF_BUSY says that it was busy. Text is UTF-8.
 *
 * A value is borrowed, never copied where it need not be: the caller's bytes for a bind, until the
 * statement is reset; the statement's own for a column, until its next step.
 *
 * SQLite keeps POSIX locks on its files, and these vanish when the process closes any other
 * descriptor of such a file. So: nobody opens and closes a database, its -wal or its -shm in a
 * process that has it open here. A child that was forked may (it holds none of the locks), if it
 * ends by _exit() and leaves this connection alone.
 *
 * A process that dies leaves the database as its last COMMIT left it: SQLite rolls back when it is
 * opened next. One thread at a time.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sqlite/result_code.h"

struct hf_sqlite_conn;
struct hf_sqlite_stmt;

enum hf_db_type { HF_DB_NULL, HF_DB_INT, HF_DB_REAL, HF_DB_TEXT, HF_DB_BLOB };

struct hf_db_value {
	enum hf_db_type type;
	int64_t i;
	double r;
	const void *data; /* TEXT is not terminated */
	size_t size;
};

/* Values as they are written down. */
#define HF_DB_INT_VALUE(n) ((struct hf_db_value){.type = HF_DB_INT, .i = (n)})
#define HF_DB_TEXT_VALUE(bytes, n)                                                                 \
	((struct hf_db_value){.type = HF_DB_TEXT, .data = (bytes), .size = (n)})
#define HF_DB_BLOB_VALUE(bytes, n)                                                                 \
	((struct hf_db_value){.type = HF_DB_BLOB, .data = (bytes), .size = (n)})

/* Open the file `path`, which is never taken for a URI or for memory. create: make an absent one.
 * name is what messages call it; both must live as long as the connection. Nothing is read yet:
 * what is no database shows at the first statement. */
enum hf_status hf_sqlite_open(struct hf_sqlite_conn **sql, const char *path, const char *name,
			      bool create, struct hf_err *err);

/* Closes (and so rolls back). The last of all connections of a WAL database puts the log into the
 * database and removes it, unless `leave_log`. NULL is allowed; errno survives. */
void hf_sqlite_close(struct hf_sqlite_conn *sql);
void hf_sqlite_keep_wal(struct hf_sqlite_conn *sql);

/* From here on a statement looks at *stop now and then, and ends when it is not 0 (HF_BUSY,
 * "interrupted"). A signal handler may set it. NULL: no more. */
void hf_sqlite_interrupt_flag(struct hf_sqlite_conn *sql, const volatile sig_atomic_t *stop);

/* Has its file been renamed, replaced or removed since it was opened? */
bool hf_sqlite_has_moved(struct hf_sqlite_conn *sql);

/* What the last call that failed was; one that succeeds, such as the ROLLBACK that follows, leaves
 * that. */
enum hf_db_class hf_sqlite_class(const struct hf_sqlite_conn *sql);
int hf_sqlite_code(const struct hf_sqlite_conn *sql);

/* From here on, until NULL, what is prepared are pieces of this script: messages then tell the line
 * and the column of what failed. It must live as long. */
void hf_sqlite_script(struct hf_sqlite_conn *sql, const char *script, size_t size);

bool hf_sqlite_in_transaction(const struct hf_sqlite_conn *sql);
int64_t hf_sqlite_last_rowid(const struct hf_sqlite_conn *sql);
int64_t hf_sqlite_changes(const struct hf_sqlite_conn *sql);

/* The version of the library, as 3040001, and as "3.40.1". */
int hf_sqlite_version(const char **text);

/* Prepare the first statement of text (size bytes, less than INT_MAX, and a NUL behind them: SQLite
 * copies all of it else, for each statement of a script); *rest is what follows it. *stmt is NULL
 * where there is only space or comment. */
enum hf_status hf_sqlite_prepare(struct hf_sqlite_conn *sql, const char *text, size_t size,
				 struct hf_sqlite_stmt **stmt, const char **rest,
				 struct hf_err *err);

/* Run one statement without values, whose rows do not matter. what is its verb in messages: "commit
 * to" makes "cannot commit to 'name': why". */
enum hf_status hf_sqlite_run(struct hf_sqlite_conn *sql, const char *text, const char *what,
			     struct hf_err *err);

enum hf_status hf_sqlite_stmt_bind(struct hf_sqlite_stmt *stmt, int index,
				   const struct hf_db_value *value, struct hf_err *err);
/* The highest number of a parameter; the first is 1. */
int hf_sqlite_stmt_parameters(struct hf_sqlite_stmt *stmt);
/* ":name", "@name", "$name" or "?7" as it stands in the SQL; NULL: it is a bare "?". */
const char *hf_sqlite_stmt_parameter(struct hf_sqlite_stmt *stmt, int index);

/* HF_OK: a row; HF_NO: done. */
enum hf_status hf_sqlite_stmt_step(struct hf_sqlite_stmt *stmt, struct hf_err *err);
int hf_sqlite_stmt_columns(struct hf_sqlite_stmt *stmt);
const char *hf_sqlite_stmt_name(struct hf_sqlite_stmt *stmt, int column);
struct hf_db_value hf_sqlite_stmt_column(struct hf_sqlite_stmt *stmt, int column);
bool hf_sqlite_stmt_reads_only(struct hf_sqlite_stmt *stmt);

void hf_sqlite_stmt_reset(struct hf_sqlite_stmt *stmt);	   /* and clear the bindings */
void hf_sqlite_stmt_finalize(struct hf_sqlite_stmt *stmt); /* NULL is allowed */

/* For sqlite/fd_vfs.h: the sqlite3, and a failure of a call that was made with it. */
void *hf_sqlite_handle(struct hf_sqlite_conn *sql);
enum hf_status hf_sqlite_fail(struct hf_sqlite_conn *sql, int code, const char *what,
			      struct hf_err *err);

#endif
