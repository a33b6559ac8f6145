/* SPDX-License-Identifier: ISC */
#ifndef HF_COMMIT_OUTCOME_H
#define HF_COMMIT_OUTCOME_H

/*
 * Find out whether a COMMIT that failed with an I/O error took effect.
 *
 * A failed sync of the log is made harmless by an empty transaction that overwrites its frames;
 * README.md explains both journal modes. Call it under the turnstile, with the connection that
 * failed. One thread.
 */

#include "sqlite/connection.h"

/* HF_IO: the transaction is rolled back, permanently. HF_UNCERTAIN: it is committed, and may not be
 * durable. HF_UNKNOWN: it is committed or not. err is changed to the status. */
enum hf_status hf_db_resolve_commit(struct hf_sqlite_conn *sql, struct hf_err *err);

#endif
