/* SPDX-License-Identifier: ISC */
#ifndef HF_SQL_FILE_H
#define HF_SQL_FILE_H

/*
 * A database in a file that has no name yet: an open descriptor, as base/tempfile.h and
 * holdfast/atomic.h have it.
 *
 * SQLite opens files by their path, follows links by hand and refuses the last one, so that
 * /proc/self/fd/N is no way in. So SQLite gets a file system of ours ("VFS"), which knows one kind
 * of file: the descriptor whose number is the path. It is nobody else's, so nothing is locked; it
 * is synced and given its name by whoever made it, so no journal is kept and nothing is synced.
 *
 * Beside sqlite/connection.c the only file that includes sqlite3.h. Blocks nobody. A crash leaves
 * an unnamed file, which is gone. Not thread-safe.
 */

#include "sqlite/connection.h"

/* Write an image of the whole database to fd, an empty file that can be read and written. A page is
 * copied as it is, but that the copy is in no WAL mode, so that it is whole without any other file.
 * It is one snapshot: that of a read transaction, if sql is in one. Constant memory.
 *
 * leave_out, if not NULL, is a GLOB pattern: tables of that name are empty in the copy, and their
 * rows not left in its free pages.
 *
 * HF_BUSY: somebody has it locked, or sql is itself in a write transaction. */
enum hf_status hf_sqlite_image(struct hf_sqlite_conn *sql, int fd, const char *leave_out,
			       struct hf_err *err);

#endif
