/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_HOLD_H
#define HF_RECORD_HOLD_H

/*
 * All that a recorder holds while it works: files, database, repositories; taken as a whole.
 *
 *	the set		the files' locks, the database's turnstile, the repositories' turnstiles
 *			(holdfast/lockset.h): in one order, to one deadline
 *	SQLite's	write lock, by BEGIN IMMEDIATE, at once
 *	Git's		index.lock of each worktree, at once
 *
 * The last two are other programs' too. If one is busy everything is given back; that one alone is
 * waited for; and it begins again: a `git commit -a` has index.lock while its hook waits for the
 * database, and would stand still together with one who has the database and waits for index.lock.
 *
 * What is to be taken may grow when it is seen what must be recovered: hf_record_locks_add_file()
 * and hf_record_locks_want_repo() put it into the next set, and hf_record_locks_acquire() then
 * begins again.
 *
 * SQLite's lock is free again after the transaction; all else is held until
 * hf_record_locks_release(). The database is closed by then: closing the last connection makes a
 * checkpoint, which two processes must not do at a time, and looking at its lock bytes from here
 * would drop its locks.
 *
 * What an ancestor holds of the turnstiles need not be taken (holdfast/lock.h); the files' own
 * locks, SQLite's and Git's always are. A crash frees all but index.lock, which names its maker and
 * is taken over. Errors: those of the rooms below; HF_BUSY names who holds what.
 */

#include <holdfast/clock.h>
#include "record/record_file.h"
#include "git/repo.h"

struct hf_record_locks_repo {
	struct hf_repo *repo;
	bool wanted; /* its turnstile and index.lock are in the next set */
	bool locked;
};

struct hf_record_locks {
	const char *database;
	bool no_foreign_keys, create;
	struct hf_wait wait;
	const char *backoff;
	void (*report)(void *context, const char *line); /* what recovery does; NULL: nobody */
	void *report_context;

	struct hf_record_database place;
	struct hf_lockset *set;
	struct hf_db *db; /* NULL: closed */
	bool logs;	  /* the database is in WAL mode */
	struct hf_record_file **files;
	size_t file_count;
	struct hf_record_locks_repo *repos;
	size_t repo_count;
	struct hf_backoff pause;
	const char *word; /* for index.lock: which record it is */
};

enum hf_status hf_record_locks_init(struct hf_record_locks *hold, struct hf_err *err);

/* To be in the next set; the file stays the caller's, the repository becomes the hold's. */
enum hf_status hf_record_locks_add_file(struct hf_record_locks *hold, struct hf_record_file *f,
					struct hf_err *err);
enum hf_status hf_record_locks_add_repo(struct hf_record_locks *hold, struct hf_repo *repo,
					bool wanted, struct hf_err *err);

/* Take all of it, and begin a transaction. Held already: give back first. */
enum hf_status hf_record_locks_acquire(struct hf_record_locks *hold, struct hf_err *err);

/* All is held. HF_NO: a path leads to another directory by now, or a file that was absent is there:
 * give back, open again, take again. */
enum hf_status hf_record_locks_check(const struct hf_record_locks *hold, struct hf_err *err);

/* Begin another transaction, at once: HF_BUSY if somebody foreign came in between. */
enum hf_status hf_record_locks_begin(struct hf_record_locks *hold, bool durable,
				     struct hf_err *err);

/* Close the database, unlock all. What is wanted stays wanted. */
void hf_record_locks_release(struct hf_record_locks *hold);

/* What is not held: forget the files that were wanted. */
void hf_record_locks_drop_files(struct hf_record_locks *hold);

/* The same, and forget everything. */
void hf_record_locks_end(struct hf_record_locks *hold);

/* A line for hold->report. */
void hf_record_locks_report(const struct hf_record_locks *hold, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
