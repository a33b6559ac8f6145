/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_COPY_H
#define HF_DB_COPY_H

/*
 * A copy of a database, in a file that somebody else puts in place (holdfast/atomic.h): as an
 * image, or as SQL text.
 *
 * An image is taken in a read transaction, so it is one state of the database, and writers of a WAL
 * database are not kept waiting. Where it has a rollback journal, a writer's COMMIT waits until the
 * pages are copied. The copy needs no -wal: it is whole in one file.
 *
 * hf_db_snapshot() begins and ends that transaction itself, or takes the one that is under way,
 * which for an image must be one that reads. Text can also be taken of what is not committed yet.
 *
 * Errors as sqlite/connection.h's; the output's own are HF_IO. A crash leaves nothing.
 */

#include "sqlite/db.h"

/* Into fd, an empty file, open for reading and writing. leave_out, if not NULL, is a GLOB pattern
 * of tables that are empty in the image and absent in the text. */
enum hf_status hf_db_snapshot(struct hf_db *db, int fd, bool as_text, const char *leave_out,
			      struct hf_err *err);

#endif
