/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_H
#define HF_RECORD_H

/*
 * A record: files, SQL and a Git commit as one step. All of it happens or none of it, through
 * SIGKILL, a full disk and a power cut at any point.
 *
 * The SQLite transaction is the log, and its COMMIT the commit point. In it, beside the user's own
 * rows, stands the intent (record/intent.h): the whole record, with the contents of the files and
 * hashes of what they replace. All that comes after the COMMIT is redo from the intent: forward
 * only, and done again by the next one where it was not finished.
 *
 *	ask	what cannot be is refused: paths, sources, parameters, the repository
 *	lock	the files' own locks, the database's turnstile, the repository's turnstile: one set,
 *		one order, one deadline (lockset.h). Then, without waiting, SQLite's write lock
 *		(BEGIN IMMEDIATE) and Git's index.lock. If one of these is busy, all is given back,
 *		the busy one alone is waited for, and this begins again.
 *		Then: is an absent file still absent, and does each path still lead to the directory
 *		that was opened? If not, all begins again
 *	recover	what a dead recorder left in this database (record/recovery.h), and COMMIT
 *	run	the user's SQL
 *	stage	the files, unnamed, in their directories, with their attributes; the blobs,
 *		trees and the commit object: all their contents are synced, in one go.
 *		An append gets its mark (record_mark.h), which is synced with them. The new index is
 *		made, beside the old one. What can fail fails here.
 *	check	the paths, once more, and that the same branch is checked out
 *	COMMIT	with the intent, synced                                         the commit point
 *	files	the staged ones get their names. A snapshot of the database is made here: it has
 *		the new rows, and no intent
 *	index	the named paths alone, in the index as it is
 *	ref	by compare and swap, once all these names are synced, in one go. If its tip has
 *		moved, or a reset takes the commit out again before the end, the commit is made anew
 *		upon that
 *	forget	the intent is deleted; then index.lock, and the set, are given back
 *
 * R1  The intent is durable before any file, the index or a ref is changed.
 * R2  Before the COMMIT nothing is changed but Git's store, by objects that nothing leads to, and
 *     beside the files of appends, by their marks (and directories, with `parents`). A failure
 *     until then is "nothing was done".
 * R3  The files, the index and the objects are durable before the ref is moved, the ref before the
 *     intent goes. So a commit in the branch that bears the record's id (the trailer
 *     "Holdfast-Record: ID") proves that the rest is done, and is all that recovery needs to know.
 *     Were it the other way round, a user's commit after a crash would revert the record.
 * R4  Without a repository nothing would tell that: there the deletion of the intent is durable
 *     before the record is acknowledged. With one, a lost deletion finds the commit, and no more.
 * R5  HF_OK says that all of it is done and durable. HF_UNCERTAIN: recorded, and to be finished,
 *     or finished but for what somebody else changed meanwhile. HF_UNKNOWN: it cannot be known.
 *     Anything else: nothing was done.
 * R6  Nobody but the recorder that holds the database's turnstile makes, replays or deletes an
 *     intent, so that there is one at a time who does; and it finishes the old before it begins
 *     the new.
 * R7  A failed COMMIT may be in the log all the same: what SQLite could not sync it does not take
 *     back, and a later recovery of the log may find it. So its place is overwritten by an empty
 *     transaction. If that succeeds the database tells what became of it; else HF_UNKNOWN.
 * R8  Exactly the named paths are committed. What else the user has staged stays staged.
 * R9  A database is closed before its turnstile is given back, since closing may checkpoint.
 * R10 A recorder that finds, after its COMMIT, that another process created, replaced or moved a
 * file
 *     without its lock, gives everything back and finishes its record as recovery would.
 *
 * Where it dies, and what the next recorder finds:
 *
 *	before COMMIT		no intent: nothing was done. Unnamed files are gone with the
 *				process, SQLite rolls back, an index.lock that names its dead maker
 *				is taken over, Git's gc collects the objects. A mark is left, which
 *				the next append to that file removes
 *	COMMIT … files		the intent, and each file as it was before or as it is to be;
 *				an append that has its mark is not done
 *	files … index		the files are all new, the index is old: it is edited as it then is
 *	index … ref		the record is staged. A user's commit may take it along; then the
 *				record's own commit finds its paths there already, and has the
 *				message and the id
 *	ref … forget		the commit is found by its id: what a prune has taken of it is made
 *				anew, the intent is deleted, and no more
 *	forget … end		done
 *
 * Blocks: other recorders and holdfast writers of this database and this repository; writers and
 * appenders of the files; SQLite's writers from BEGIN to COMMIT; Git's commands that need
 * index.lock from BEGIN to the end. Readers of all of them: never.
 *
 * Signals: none are handled; dying is safe anywhere. For single-threaded tools, since Git's own
 * programs may be run. Errors: holdfast/err.h; HF_USAGE called wrongly; HF_DATA a file, the SQL,
 * the repository or the message is refused; HF_NO if_match; HF_BUSY.
 */

#include <limits.h>

#include "sqlite/db.h"
#include "record/intent.h"

/* One file of a record, as it is asked for. */
struct hf_record_spec {
	enum hf_record_op op;
	const char *path;     /* as the user wrote it */
	const void *content;  /* WRITE, APPEND: size bytes, in memory */
	size_t size;
	const char *if_match; /* SHA-256 of what is there, or "absent"; NULL: any */
};

struct hf_record_request {
	const char *database;
	const char *repository; /* a directory in it; NULL: no commit is made */
	const char *message;	/* iff there is a repository */
	const struct hf_record_spec *files;
	size_t file_count;
	bool no_foreign_keys;
	bool parents; /* make missing directories */
	struct hf_wait wait;
	const char *backoff; /* --backoff, or NULL */

	/* The user's SQL, inside the transaction, which it neither begins nor ends; NULL: none. It
	 * may be called again, after a rollback. */
	enum hf_status (*sql)(void *context, struct hf_db *db, struct hf_err *err);
	void *sql_context;

	/* Told, a line at a time, what became of records that a dead one left; NULL: nobody. */
	void (*report)(void *context, const char *line);
	void *report_context;
};

struct hf_record_result {
	char id[HF_RECORD_ID];
	int64_t rowid;	 /* of the last row that was inserted by the user's SQL; 0: none was */
	char commit[65]; /* "": no repository, or not known yet */
	bool recorded;	 /* past the commit point */
};

/* Record. *result is filled in as far as it came. */
enum hf_status hf_record(const struct hf_record_request *request, struct hf_record_result *result,
			 struct hf_err *err);

/* Finish what is unfinished in request->database; with a repository, only what is of that one.
 * HF_OK: *finished of them were, and *left could not be, which was reported. */
enum hf_status hf_record_recover(const struct hf_record_request *request, size_t *finished,
				 size_t *left, struct hf_err *err);

/* Give up the unfinished record whose id begins with `id` (record/record_drop.h); saved is the
 * directory that has what it had. */
enum hf_status hf_record_drop(const struct hf_record_request *request, const char *id,
			      void (*tell)(void *context, const struct hf_intent *intent),
			      void *context, char saved[PATH_MAX], struct hf_err *err);

/* Tell of each unfinished record, without contents. Nothing is changed, nobody is waited for. */
enum hf_status hf_record_list(const struct hf_record_request *request,
			      void (*tell)(void *context, const struct hf_intent *intent),
			      void *context, size_t *count, struct hf_err *err);

#endif
