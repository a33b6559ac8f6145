/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_MORE_H
#define HF_STATUS_MORE_H

/*
 * Who is at a database, and which locks has a repository: the sources of lock-status for SQLite and
 * Git. Nothing is opened through SQLite, and nothing of the repository is run.
 *
 * A database is a row "sqlite". It is HELD while somebody writes, checkpoints or recovers, since
 * that is what others have to wait for; who only has it open, or reads, is among the holders with
 * that role, and leaves it FREE. A reader with a slot other than 0 pins the write-ahead log: what
 * was written since cannot be taken out of it. Behind it stands its turnstile, "turnstile".
 *
 * A repository is a row "git" for each lock that Git has there now, judged as lock-break judges it
 * (gitlock/git_evidence.h), but not by its age; or one row, FREE. Behind them stands its turnstile.
 *
 * Looks take no longer than those of probe/sqlite_locks.h and gitlock/git_locks.h. Thread-safe.
 */

#include "status/status.h"

/* HF_CANTCREAT and others: there is no such directory, it may not be asked. */
enum hf_status hf_status_sqlite(struct hf_lock_status *list, const char *path, struct hf_err *err);

/* HF_NOINPUT: there is no repository. */
enum hf_status hf_status_git(struct hf_lock_status *list, const char *dir, struct hf_err *err);

/* The same of one file, if it is a lock of Git's by its name and place; HF_NO: it is none. */
enum hf_status hf_status_git_lock(struct hf_lock_status *list, const char *path,
				  struct hf_err *err);

#endif
