/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_HOLD_H
#define HF_RECORD_HOLD_H

/*
 * All that a run holds while it works: files, database, repositories; taken as a whole.
 *
 *	hf_record_locks_init(), _add_file(), _add_repo(), _acquire(), _check(), work, _release()
 *	finally hf_record_locks_end()
 *
 * README.md has the order. What is added later is taken by the next _acquire(), which releases
 * everything first. Blocks to the deadline, and holds nothing while it waits for SQLite's lock or
 * index.lock. A crash frees all but index.lock, which names its maker and is taken over. Errors:
 * those of the modules below; HF_BUSY names the holder; err is not NULL. One thread; not
 * async-signal-safe.
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
	void (*report)(void *context,
		       const char *line); /* receives what recovery does; NULL: not called */
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
	const char *word; /* for index.lock: the record's id */
};

enum hf_status hf_record_locks_init(struct hf_record_locks *hold, struct hf_err *err);

/* Add to the next set. The file stays the caller's; the repository becomes the hold's. */
enum hf_status hf_record_locks_add_file(struct hf_record_locks *hold, struct hf_record_file *f,
					struct hf_err *err);
enum hf_status hf_record_locks_add_repo(struct hf_record_locks *hold, struct hf_repo *repo,
					bool wanted, struct hf_err *err);

/* Acquire everything, and begin a transaction. Releases first what is held. */
enum hf_status hf_record_locks_acquire(struct hf_record_locks *hold, struct hf_err *err);

/* Check the files, with everything held. HF_NO: a path now leads to another directory, or a file
 * that was absent exists: release, open again, acquire again. */
enum hf_status hf_record_locks_check(const struct hf_record_locks *hold, struct hf_err *err);

/* Begin another transaction without waiting. HF_BUSY: another program took the lock in between. */
enum hf_status hf_record_locks_begin(struct hf_record_locks *hold, bool durable,
				     struct hf_err *err);

/* Close the database and release all locks. The wanted files and repositories stay wanted. */
void hf_record_locks_release(struct hf_record_locks *hold);

/* Forget the wanted files. Only when nothing is held. */
void hf_record_locks_drop_files(struct hf_record_locks *hold);

/* Release, and forget everything. */
void hf_record_locks_end(struct hf_record_locks *hold);

/* Send a line to hold->report. */
void hf_record_locks_report(const struct hf_record_locks *hold, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
