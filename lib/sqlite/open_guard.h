/* SPDX-License-Identifier: ISC */
#ifndef HF_SQL_GUARD_H
#define HF_SQL_GUARD_H

/*
 * What SQLite opens beside a database, judged at the instant of the open (probe/sqlite_beside.h).
 *
 * A look before SQLite opens its files is not enough: a journal, or a log, can be put there in
 * between. So SQLite's "open" system call is replaced by one that opens DB-journal, DB-wal and
 * DB-shm without following a link, judges the very inode that is open, and refuses it (EPERM); and
 * that creates them by O_EXCL. SQLite then fails with SQLITE_CANTOPEN, and nothing was done.
 *
 * It is in force for all connections of this process. The database itself is opened as ever.
 * Thread-safe.
 */

#include <stdbool.h>

#include <holdfast/err.h>

/* Put it in force. Any number of times. */
void hf_sql_guard(void);

/* Was a file refused in this thread since the last call? Then err says which, of the database that
 * the user knows as `path`. */
bool hf_sql_guard_refused(const char *path, struct hf_err *err);

#endif
