/* SPDX-License-Identifier: ISC */
#ifndef HF_SNAPSHOT_H
#define HF_SNAPSHOT_H

/*
 * A copy of a database, written to a file that the caller puts in place (holdfast/atomic.h): an
 * image, or SQL text.
 *
 * An image is one state of the database and complete in one file. Writers of a WAL database do not
 * wait; with a rollback journal a writer's COMMIT waits until the pages are copied.
 *
 * hf_db_snapshot() begins and ends a read transaction, or uses the present one. For an image that
 * must be a read transaction; text can contain uncommitted changes. Errors: those of
 * sqlite/connection.h; HF_IO for the output. A crash leaves nothing.
 */

#include "sqlite/db.h"

/* Write a copy to fd, an empty file that is open for reading and writing. leave_out (or NULL) is a
 * GLOB pattern of tables that are empty in the image, where their rows do not remain in free pages
 * either, and absent from the text. Constant memory. HF_BUSY: another process has locked the
 * database, or an image was asked for in a write transaction. */
enum hf_status hf_db_snapshot(struct hf_db *db, int fd, bool as_text, const char *leave_out,
			      struct hf_err *err);

#endif
