/* SPDX-License-Identifier: ISC */
#ifndef HF_FD_VFS_H
#define HF_FD_VFS_H

/*
 * The image of a database, in a file that has no name yet.
 *
 * SQLite opens files by path and refuses symbolic links, so /proc/self/fd/N does not work. This VFS
 * knows one kind of file: the descriptor whose number is the path. No other process uses the file,
 * so nothing is locked; its creator syncs and names it, so there is no journal and no sync.
 *
 * Never blocks. A crash leaves nothing. Not thread-safe.
 */

#include "sqlite/connection.h"

/*
 * Write an image of the whole database to fd, an empty file that can be read and written. Pages are
 * copied unchanged, except that the copy is not in WAL mode, so it is complete in one file. It is
 * one snapshot: that of the read transaction of sql, if there is one. Constant memory.
 *
 * leave_out (or NULL) is a GLOB pattern: tables with such a name are empty in the copy, and their
 * rows do not remain in its free pages.
 *
 * HF_BUSY: another process has locked the database, or sql is in a write transaction.
 */
enum hf_status hf_sqlite_image(struct hf_sqlite_conn *sql, int fd, const char *leave_out,
			       struct hf_err *err);

#endif
