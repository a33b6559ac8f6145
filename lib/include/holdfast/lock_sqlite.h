/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_SQLITE_H
#define HF_LOCK_SQLITE_H

/*
 * The kind "sqlite": the right to write to a SQLite database.
 *
 *	our own		the turnstile DB-turnstile (lock/turnstile.h), waited for in its queue
 *	foreign		that no writer is at work who has not passed the turnstile, asked of the
 *			kernel by SQLite's lock bytes (probe/sqlite_locks.h)
 *
 * SQLite's own lock is not taken: the command uses sqlite3, or whatever else, as always, and gets
 * it without waiting. Readers, and connections that are only open, are not in the way, nor is a
 * checkpoint. The database itself is opened for reading at most, never through SQLite, and may be
 * absent if its directory is there.
 *
 * hf_lock_sqlite_turn is the same lock without the foreign part, for those who take SQLite's lock
 * themselves while they hold the set: by BEGIN IMMEDIATE without a busy timeout; when that is busy
 * they give the set back and come again. They have the database open, and must not use
 * hf_lock_sqlite: closing what that opens would drop their locks.
 *
 * Where the name of the turnstile is taken by a file of a user who may not write to the database,
 * the kinds sqlite_turn and sqlite_freeze go on without it, and hf_lock_sqlite is refused
 * (HF_NOPERM; lock/turnstile.h, N6). A process that has taken SQLite's lock asks
 * hf_sqlite_passed_rightly(), and starts again if that is false. hf_lock_sqlite_idle is
 * hf_lock_sqlite for a process that does nothing under it: it waits until no process writes.
 *
 * hf_lock_sqlite_freeze takes SQLite's own write lock besides, by a helper (lock/sqlite_freeze.h):
 * nobody writes, the command included, while it copies the database or the files beside it. The
 * database has to be there (HF_NOINPUT). HF_UNAVAILABLE: there is no helper.
 *
 * The database is found as SQLite finds it: through symbolic links, to the end. So all spellings
 * meet at one turnstile. (Hard links do not; SQLite itself would corrupt such a database.) Whether
 * it is one is not asked: a lock does not need to know, and an encrypted one does not look like it.
 *
 *	W1  Nobody waits for a foreign writer while holding the turnstile (holdfast/lock.h).
 *	W2  A foreign writer's end is noticed by a look at the lock bytes: after a pause that grows
 *	    to 10 ms, and at the end of the writer's process.
 *	W3  When the foreign part was looked at the turnstile is held, so no one who keeps to it
 *	    begins to write in between. A stranger can, at any time: the command has to expect
 *	    SQLITE_BUSY from strangers, as always.
 *	W4  Shared (-s): several that do not write, such as backups, exclude writers together.
 *
 * A crash frees it. What a writer of SQLite's leaves when it dies (a hot journal, a log) is
 * recovered by the next connection, as always. Signals and threads as in holdfast/lock_wait.h.
 *
 * Errors: HF_USAGE a name that is no file (":memory:"); HF_DATA not a regular file; HF_CANTCREAT no
 * such directory; HF_NOPERM.
 */

#include <stdbool.h>

#include <holdfast/lock.h>

extern const struct hf_lock_ops hf_lock_sqlite;
extern const struct hf_lock_ops hf_lock_sqlite_idle;
extern const struct hf_lock_ops hf_lock_sqlite_turn;
extern const struct hf_lock_ops hf_lock_sqlite_freeze;

/* Are the turnstiles that this thread's locks have left out still files that are not to be used? */
bool hf_sqlite_passed_rightly(void);

/* Has a freeze been lost, since its helper was killed? */
bool hf_sqlite_thawed(const struct hf_lock *lock);

#endif
