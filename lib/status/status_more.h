/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_MORE_H
#define HF_STATUS_MORE_H

/*
 * The sources of lock-status for SQLite databases and Git repositories.
 *
 * A database is a row "sqlite" with the users as holders; a repository is a row "git" for each of
 * Git's locks, or one that is FREE. The turnstile follows. README.md has the states. Nothing is
 * opened through SQLite, and nothing of the repository is run.
 *
 * Takes no longer than probe/sqlite_locks.h and gitlock/git_locks.h. Thread-safe.
 */

#include "status/status.h"

/* Add the rows of a database. HF_CANTCREAT and others: its directory does not exist, or it may not
 * be read. */
enum hf_status hf_status_sqlite(struct hf_lock_status *list, const char *path, struct hf_err *err);

/* Add the rows of a repository. HF_NOINPUT: there is none. */
enum hf_status hf_status_git(struct hf_lock_status *list, const char *dir, struct hf_err *err);

/* Add the row of one file if it is a lock of Git by its name and place. HF_NO: it is not. */
enum hf_status hf_status_git_lock(struct hf_lock_status *list, const char *path,
				  struct hf_err *err);

#endif
