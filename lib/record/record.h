/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_H
#define HF_RECORD_H

/*
 * A record: files, SQL and a Git commit as one step. All of it happens or none of it, through
 * SIGKILL, a full disk and a power cut at any point. README.md has the protocol and its
 * invariants (record/R1 to record/R10).
 *
 *	hf_record()			finish unfinished records, then make one
 *	hf_record_recover(), _list(), _drop()	finish, list, discard unfinished records
 *
 * Blocks, to the deadline: on other runs and holdfast writers of this database and repository, on
 * writers of the files, on SQLite's writers, and on Git's commands that need index.lock. It never
 * blocks readers. Signals: none are handled; a process may die anywhere. For single-threaded
 * tools, since Git's own programs may be run.
 *
 * Errors: holdfast/err.h; HF_USAGE wrong arguments; HF_DATA a file, the SQL, the repository or the
 * message is refused; HF_NO if_match; HF_BUSY. HF_UNCERTAIN: recorded, not finished. HF_UNKNOWN:
 * it cannot be known whether it is recorded.
 */

#include <limits.h>

#include "sqlite/db.h"
#include "record/intent.h"

/* One file of a request. */
struct hf_record_spec {
	enum hf_record_op op;
	const char *path;    /* as the user wrote it */
	const void *content; /* WRITE, APPEND: size bytes, in memory */
	size_t size;
	const char *if_match; /* SHA-256 of the present content, or "absent"; NULL: any */
};

struct hf_record_request {
	const char *database;
	const char *repository; /* a directory in the repository; NULL: no commit is made */
	const char *message;	/* set exactly if there is a repository */
	const struct hf_record_spec *files;
	size_t file_count;
	bool no_foreign_keys;
	bool parents; /* create missing directories */
	struct hf_wait wait;
	const char *backoff; /* --backoff, or NULL */

	/* Runs the user's SQL inside the transaction, which it neither begins nor ends; NULL: none.
	 * It may be called again after a rollback. */
	enum hf_status (*sql)(void *context, struct hf_db *db, struct hf_err *err);
	void *sql_context;

	/* Receives, a line at a time, what became of records that dead processes left; NULL: not
	 * called. */
	void (*report)(void *context, const char *line);
	void *report_context;
};

struct hf_record_result {
	char id[HF_RECORD_ID];
	int64_t rowid;	 /* of the last row that the user's SQL inserted; 0: none */
	char commit[65]; /* "": no repository, or not known yet */
	bool recorded;	 /* the commit point has been passed */
};

/* Make the record. *result is filled in as far as it came. */
enum hf_status hf_record(const struct hf_record_request *request, struct hf_record_result *result,
			 struct hf_err *err);

/* Finish what is unfinished in request->database; with a repository, only the records of that one.
 * HF_OK: *finished were finished, and *left could not be and were reported. */
enum hf_status hf_record_recover(const struct hf_record_request *request, size_t *finished,
				 size_t *left, struct hf_err *err);

/* Save and discard the unfinished record whose id begins with `id` (record_drop.h). `saved` is the
 * directory with its content. */
enum hf_status hf_record_drop(const struct hf_record_request *request, const char *id,
			      void (*tell)(void *context, const struct hf_intent *intent),
			      void *context, char saved[PATH_MAX], struct hf_err *err);

/* Call `tell` for each unfinished record, without contents. Changes nothing and never waits. */
enum hf_status hf_record_list(const struct hf_record_request *request,
			      void (*tell)(void *context, const struct hf_intent *intent),
			      void *context, size_t *count, struct hf_err *err);

#endif
