/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_WRITER_H
#define HF_DB_WRITER_H

/*
 * Who is in the way of a process that has the database open through SQLite itself.
 *
 * It must not look on its own: closing the files that it opens to look would drop its locks
 * (probe/sqlite_locks.h, Q3). So a child looks, which has none, and tells by a pipe. That takes a
 * millisecond, and is done only for a message.
 *
 * The child calls no function of SQLite's and ends by _exit(). Blocks until it has. Where no child
 * can be had, nobody is seen.
 */

#include <stdbool.h>
#include <stddef.h>

/* "PID 4711 (python3 …), running since 10:42:03, which writes to it", of another process; of one
 * that reads, if readers are in the way. false: none is seen now. */
bool hf_db_blocker(const char *path, bool readers, char *out, size_t size);

#endif
