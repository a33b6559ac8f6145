/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_SQLITE_H
#define HF_STATUS_SQLITE_H

/*
 * The source of lock-status for SQLite databases.
 *
 * A database is a row "sqlite" with the users as holders; the turnstile follows. README.md has the
 * states. Nothing is opened through SQLite. Takes no longer than probe/sqlite_locks.h. Thread-safe.
 */

#include "status/status.h"

/* Add the rows of a database. HF_CANTCREAT and others: its directory does not exist, or it may not
 * be read. */
enum hf_status hf_status_sqlite(struct hf_lock_status *list, const char *path, struct hf_err *err);

#endif
