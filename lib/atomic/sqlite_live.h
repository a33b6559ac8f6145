/* SPDX-License-Identifier: ISC */
#ifndef HF_SQLITE_LIVE_H
#define HF_SQLITE_LIVE_H

/*
 * Is this file a SQLite database that somebody works with? Replacing one beside its -wal, or under
 * an open connection, destroys it for good; it must be refused.
 *
 * A database is known by its first 16 bytes. It is live if beside it lies a write-ahead log or a
 * rollback journal with content, or if the kernel knows a lock on its lock bytes
 * (probe/sqlite_locks.h), or if a process has it open. A process that we may not look at is not
 * seen.
 *
 * The database is not opened through SQLite and nothing is locked: the lock is asked for
 * (F_OFD_GETLK), not tried. Closing a descriptor of a database drops a process's own POSIX locks
 * on it; so not for a process that has it open through SQLite. Never waits. Thread-safe; not
 * async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include <holdfast/path.h>

/* The suffix of a write-ahead log or a rollback journal with content that lies beside the target,
 * or NULL. Whatever database has that name, SQLite reads it into that. */
const char *hf_sqlite_beside(const struct hf_target *target);

/* fd is the target, open for reading, and st its stat; why (size bytes) says in words what shows
 * that it is live. A file that cannot be read is none. */
bool hf_sqlite_live(const struct hf_target *target, int fd, const struct stat *st, char *why,
		    size_t size);

#endif
