/* SPDX-License-Identifier: ISC */
#ifndef HF_DUMP_H
#define HF_DUMP_H

/*
 * A database as SQL text, from which sqlite3 or sqlite-run makes it again.
 *
 * Tables and rows in stored order, then indexes, triggers and views. One line a row, unless its
 * text has newlines; no time and no page number, so the same content gives the same text. A real is
 * written so that it is read back exactly, a text with a NUL byte as a blob with a cast. A rowid
 * without INTEGER PRIMARY KEY is not kept, as with VACUUM; application_id and user_version are.
 * Generated columns are left out.
 *
 * Reads what the connection sees: begin a read transaction for one snapshot, or dump uncommitted
 * changes in a write transaction. Constant memory. Not thread-safe.
 */

#include "sqlite/query.h"
#include "sqlite/held_output.h"

/* Dump into out. leave_out (or NULL) is a GLOB pattern of tables to leave out. Output errors stay
 * in out. */
enum hf_status hf_dump(struct hf_db *db, const char *leave_out, struct hf_deferred *out,
		       struct hf_err *err);

#endif
