/* SPDX-License-Identifier: ISC */
#ifndef HF_SQL_GUARD_H
#define HF_SQL_GUARD_H

/*
 * Check the files beside a database at the moment when SQLite opens them (probe/sqlite_beside.h).
 *
 * SQLite's "open" system call is replaced for DB-journal, DB-wal and DB-shm (README.md). If a file
 * may not be used, SQLite fails with SQLITE_CANTOPEN, and nothing was done. This holds for all
 * connections of the process. Thread-safe.
 */

#include <sqlite3.h>
#include <stdbool.h>

#include <holdfast/err.h>

/* Install the check, once for the process. */
void hf_sql_guard(sqlite3_vfs *vfs);

/* Return true if a file was refused in this thread since the last call; err then names it, and the
 * database as `path`. */
bool hf_sql_guard_refused(const char *path, struct hf_err *err);

#endif
