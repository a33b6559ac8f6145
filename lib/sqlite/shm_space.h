/* SPDX-License-Identifier: ISC */
#ifndef HF_SQL_SHM_H
#define HF_SQL_SHM_H

/*
 * Protect the process from SIGBUS in DB-shm, the index of SQLite's log, on a full disk.
 *
 * The holes of a mapping are filled before SQLite uses it (sqlite/M1). A SIGBUS in it nevertheless
 * ends the process with a message and an exit status that says what was done (sqlite/M2).
 *
 * Holds for all connections of the process; M2 only if the program has no handler of its own.
 * Thread-safe, except hf_sql_shm_says().
 */

#include <sqlite3.h>

#include <holdfast/err.h>

/* Install it, once for the process. */
void hf_sql_shm_guard(sqlite3_vfs *vfs);

/* Set the exit status for M2: HF_IO: nothing was done; HF_UNKNOWN: a COMMIT is in progress;
 * HF_UNCERTAIN: something was committed. Return the earlier one. */
enum hf_status hf_sql_shm_says(enum hf_status status);

#endif
