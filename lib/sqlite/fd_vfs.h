/* SPDX-License-Identifier: ISC */
#ifndef HF_FD_VFS_H
#define HF_FD_VFS_H

/*
 * A database in a file that has no name yet.
 *
 * SQLite opens files by path and refuses symbolic links, so /proc/self/fd/N does not work. This VFS
 * knows one kind of file: the descriptor whose number is the path. No other process uses the file,
 * so nothing is locked; its creator syncs and names it, so there is no journal and no sync: set
 * journal_mode and synchronous to OFF.
 *
 * Never blocks. A crash leaves nothing. Not thread-safe.
 */

#include <sqlite3.h>

/* Open the database in fd, a file that can be read and written and that stays open. Return a result
 * code; close *db in any case. */
int hf_fd_vfs_open(int fd, sqlite3 **db);

#endif
