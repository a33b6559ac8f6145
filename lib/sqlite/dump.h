/* SPDX-License-Identifier: ISC */
#ifndef HF_DUMP_H
#define HF_DUMP_H

/*
 * A database as SQL text, from which sqlite3 or sqlite-run makes it again: for people, for diff(1),
 * and for Git.
 *
 * Tables and their rows in the order in which they are stored; then indexes, triggers and views, so
 * that no trigger acts on what is put back. Virtual tables as sqlite3's .dump does: their shadow
 * tables with content, and an entry in the schema. One line a row, as far as its text has no
 * newlines; no time, no page number: the same content is the same text.
 *
 * A real is written so that it is read again as it was, a text with a NUL byte as a blob that is
 * cast. The rowid of a table without INTEGER PRIMARY KEY is not kept, as VACUUM does not keep it.
 * application_id and user_version are. Columns that are generated are left out.
 *
 * What is read is what the connection sees: begin a read transaction for one snapshot, or dump in
 * the middle of a write transaction what is not committed yet. Constant memory. Not thread-safe.
 */

#include "sqlite/query.h"
#include "sqlite/held_output.h"

/* leave_out, if not NULL, is a GLOB pattern of tables that are left out, rows and all. Errors of
 * the output stay in it. */
enum hf_status hf_dump(struct hf_db *db, const char *leave_out, struct hf_deferred *out,
		       struct hf_err *err);

#endif
