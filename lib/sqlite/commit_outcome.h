/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_SETTLE_H
#define HF_DB_SETTLE_H

/*
 * An I/O error at a COMMIT: was it committed or not?
 *
 * With a rollback journal it is committed when the journal is gone. What fails before that is
 * rolled back; an error in what comes behind, syncing the directory and unlocking, is too late for
 * "nothing was done".
 *
 * In a log it is committed when its last frame is written and synced. If the sync fails SQLite
 * takes it for rolled back; but the frames are there, perhaps whole, and whoever recovers the log
 * after us would find the transaction in it. So something that changes nothing is written over the
 * first of them, which makes the rest void. Only if that fails too it cannot be known.
 *
 * Under the turnstile, for the connection that failed. One thread.
 */

#include "sqlite/connection.h"

/* HF_IO: it is rolled back for good. HF_UNCERTAIN: it is in, and may not be durable. HF_UNKNOWN: it
 * is in, or not. err is changed to the status. */
enum hf_status hf_db_resolve_commit(struct hf_sqlite_conn *sql, struct hf_err *err);

#endif
