/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_SQLITE_H
#define HF_LOCK_SQLITE_H

/*
 * The kind "sqlite": the right to write to a SQLite database.
 *
 * Its own lock is flock(2) on DB-turnstile, a file beside the database; processes wait for it in
 * the kernel's queue. The external lock is that no other program writes, according to SQLite's lock
 * bytes. SQLite's own lock is not taken: the command uses sqlite3, or any other program, as usual,
 * and acquires it without waiting. Readers, idle connections and a checkpoint do not conflict. The
 * database is opened for reading at most, never through SQLite, and may be absent if its directory
 * exists.
 *
 * hf_lock_sqlite_turn is the same lock without the external lock, for a program that takes SQLite's
 * lock itself while it holds the set: with BEGIN IMMEDIATE and no busy timeout; if that is busy, it
 * releases the set and starts again. Such a program has the database open and must not use
 * hf_lock_sqlite: closing the files that it opens would release the program's SQLite locks.
 *
 * If a file of a user who may not write to the database has the name of the turnstile, it is not
 * used (README.md of the folder lock, lock/N6): hf_lock_sqlite fails with HF_NOPERM, and the other
 * kinds go on without a turnstile. A program that has taken SQLite's lock then calls
 * hf_sqlite_passed_rightly(), and starts again if the result is false. hf_lock_sqlite_idle is
 * hf_lock_sqlite for a process that does nothing under the lock: it only waits until no process
 * writes.
 *
 * hf_lock_sqlite_freeze takes SQLite's write lock too, with a helper process (sqlite-run): no
 * process writes, not even the command, while it copies the database or the files beside it.
 * HF_NOINPUT: the database is absent. HF_UNAVAILABLE: the helper is not installed.
 *
 * The database is found as SQLite finds it, through all symbolic links, so all spellings have one
 * turnstile. (Hard links do not; SQLite itself would corrupt such a database.) Whether the file is
 * a database is not checked.
 *
 *	- No process waits for another program's writer while it holds the turnstile.
 *	- The end of such a writer is noticed by testing the lock bytes after a pause that grows
 *	  to 10 ms, and when its process exits.
 *	- The test is made while the turnstile is held, so no process that uses the turnstile
 *	  begins to write in between. Another program can at any time: the command must expect
 *	  SQLITE_BUSY, as always.
 *	- Shared: several processes that do not write, such as backups, exclude writers together.
 *
 * A crash frees the lock. A journal or log that a dead writer leaves is recovered by the next
 * connection, as always. Signals and threads: holdfast/lock_wait.h.
 *
 * Errors: HF_USAGE: a name that is not a file (":memory:"). HF_DATA: not a regular file.
 * HF_CANTCREAT: the directory does not exist. HF_NOPERM.
 */

#include <stdbool.h>

#include <holdfast/lock.h>

extern const struct hf_lock_ops hf_lock_sqlite;
extern const struct hf_lock_ops hf_lock_sqlite_idle;
extern const struct hf_lock_ops hf_lock_sqlite_turn;
extern const struct hf_lock_ops hf_lock_sqlite_freeze;

/* Return true if each turnstile that the locks of this thread did without is still a file that may
 * not be used. */
bool hf_sqlite_passed_rightly(void);

/* Return true if a freeze was lost because its helper was killed. */
bool hf_sqlite_thawed(const struct hf_lock *lock);

#endif
