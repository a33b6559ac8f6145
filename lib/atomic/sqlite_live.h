/* SPDX-License-Identifier: ISC */
#ifndef HF_SQLITE_LIVE_H
#define HF_SQLITE_LIVE_H

/*
 * Detect a SQLite database that is in use. Replacing one beside its -wal file, or under an open
 * connection, destroys it for good, so it must be refused.
 *
 *	if (hf_sqlite_live(target, fd, &st, why, sizeof(why)))
 *		refuse;
 *
 * README.md says what makes a database live. A process that may not be inspected is not seen.
 * Nothing is opened through SQLite or locked, but closing fd drops the process's own POSIX locks
 * on it: not for a process that has the database open through SQLite. Errors count as "not live".
 * Never waits. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include <holdfast/path.h>

/* Return the suffix of a write-ahead log or a rollback journal with content beside the target, or
 * NULL. SQLite would read it into any database of that name. */
const char *hf_sqlite_beside(const struct hf_target *target);

/* Return true if the database is in use, and say in `why` (size bytes) what shows it. fd is the
 * target, open for reading, st its stat. A file that cannot be read is not a database. */
bool hf_sqlite_live(const struct hf_target *target, int fd, const struct stat *st, char *why,
		    size_t size);

#endif
