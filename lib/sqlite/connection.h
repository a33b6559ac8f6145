/* SPDX-License-Identifier: ISC */
#ifndef HF_CONNECTION_H
#define HF_CONNECTION_H

/*
 * SQLite itself: a connection and its statements. Results of SQLite become a status, a message and
 * advice here (sqlite/result_code.h); no other folder includes sqlite3.h.
 * Turnstile and transactions are in sqlite/db.h.
 *
 * Nothing here waits: SQLite's busy timeout is 0, and HF_BUSY reports a conflict. Text is UTF-8.
 * Values are borrowed: the caller's bytes until the statement is reset, a column's bytes until the
 * next step.
 *
 * SQLite's locks are POSIX locks, which the process loses when it closes any other descriptor of
 * the file. Do not open and close a database, its -wal or its -shm while it is open here. A forked
 * child may, if it ends with _exit() and does not use this connection.
 *
 * Crash: SQLite rolls back at the next open. One thread at a time.
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
	const void *data; /* not NUL-terminated for TEXT */
	size_t size;
};

/* Value literals. */
#define HF_DB_INT_VALUE(n) ((struct hf_db_value){.type = HF_DB_INT, .i = (n)})
#define HF_DB_TEXT_VALUE(bytes, n)                                                                 \
	((struct hf_db_value){.type = HF_DB_TEXT, .data = (bytes), .size = (n)})
#define HF_DB_BLOB_VALUE(bytes, n)                                                                 \
	((struct hf_db_value){.type = HF_DB_BLOB, .data = (bytes), .size = (n)})

/* Open the file `path`; it is never taken for a URI or for ":memory:". create: make an absent file.
 * name is its name in messages. Both must live as long as the connection. Nothing is read yet: a
 * file that is not a database is reported by the first statement. */
enum hf_status hf_sqlite_open(struct hf_sqlite_conn **sql, const char *path, const char *name,
			      bool create, struct hf_err *err);

/* Roll back and close. The last of all connections to a WAL database copies the log into the
 * database and removes it, unless hf_sqlite_keep_wal() was called. NULL is allowed; errno is
 * preserved. */
void hf_sqlite_close(struct hf_sqlite_conn *sql);
void hf_sqlite_keep_wal(struct hf_sqlite_conn *sql);

/* Let statements check *stop regularly and end with HF_BUSY ("interrupted") if it is not 0. A
 * signal handler may set it. NULL: stop checking. */
void hf_sqlite_interrupt_flag(struct hf_sqlite_conn *sql, const volatile sig_atomic_t *stop);

/* Return true if the file was renamed, replaced or removed since it was opened. */
bool hf_sqlite_has_moved(struct hf_sqlite_conn *sql);

/* Return the code of the last call that failed. A later success, such as a ROLLBACK, does not
 * change it. */
int hf_sqlite_code(const struct hf_sqlite_conn *sql);

/* Set the script of which the statements are parts, so that messages contain line and column; NULL
 * ends it. It must live as long. */
void hf_sqlite_script(struct hf_sqlite_conn *sql, const char *script, size_t size);

bool hf_sqlite_in_transaction(const struct hf_sqlite_conn *sql);
int64_t hf_sqlite_last_rowid(const struct hf_sqlite_conn *sql);
int64_t hf_sqlite_changes(const struct hf_sqlite_conn *sql);

/* Prepare the first statement of text: size bytes, less than INT_MAX, followed by a NUL (otherwise
 * SQLite would copy the text for each statement of a script). *rest is the text after it. *stmt is
 * NULL if there is only white space or a comment. */
enum hf_status hf_sqlite_prepare(struct hf_sqlite_conn *sql, const char *text, size_t size,
				 struct hf_sqlite_stmt **stmt, const char **rest,
				 struct hf_err *err);

/* Run one statement without values and ignore its rows. what is the verb in messages: "commit to"
 * gives "cannot commit to 'name': why". */
enum hf_status hf_sqlite_run(struct hf_sqlite_conn *sql, const char *text, const char *what,
			     struct hf_err *err);

enum hf_status hf_sqlite_stmt_bind(struct hf_sqlite_stmt *stmt, int index,
				   const struct hf_db_value *value, struct hf_err *err);
/* Return the highest number of a parameter; the first is 1. */
int hf_sqlite_stmt_parameters(struct hf_sqlite_stmt *stmt);
/* Return ":name", "@name", "$name" or "?7" as in the SQL; NULL for a bare "?". */
const char *hf_sqlite_stmt_parameter(struct hf_sqlite_stmt *stmt, int index);

/* Step to the next row. HF_OK: a row. HF_NO: no more rows. */
enum hf_status hf_sqlite_stmt_step(struct hf_sqlite_stmt *stmt, struct hf_err *err);
int hf_sqlite_stmt_columns(struct hf_sqlite_stmt *stmt);
const char *hf_sqlite_stmt_name(struct hf_sqlite_stmt *stmt, int column);
struct hf_db_value hf_sqlite_stmt_column(struct hf_sqlite_stmt *stmt, int column);

void hf_sqlite_stmt_reset(struct hf_sqlite_stmt *stmt);	   /* and clear the bindings */
void hf_sqlite_stmt_finalize(struct hf_sqlite_stmt *stmt); /* NULL is allowed */

/* For this folder: return the sqlite3 handle; turn the result code of a failed call with it into a
 * status, a message "cannot WHAT 'name': why", and advice. */
void *hf_sqlite_handle(struct hf_sqlite_conn *sql);
enum hf_status hf_sqlite_fail(struct hf_sqlite_conn *sql, int code, const char *what,
			      struct hf_err *err);

#endif
