/* SPDX-License-Identifier: ISC */
#ifndef HF_SCRIPT_H
#define HF_SCRIPT_H

/*
 * A user's SQL, run as one transaction.
 *
 * The script is in memory, so that it can be run again from its start when another program was in
 * the way; its output is held back (sqlite/held_output.h), so that a script that fails, or is run
 * again, has printed nothing.
 *
 *	R1  All of it happens or nothing: one BEGIN IMMEDIATE, under the turnstile.
 *	R2  It is run again only after a rollback, when nothing of it has been written out.
 *	R3  Nothing is printed unless the transaction is committed.
 *	R4  PRAGMA and VACUUM before the first other statement run before the transaction, under the
 *	    turnstile all the same: most of them do nothing in a transaction, or are refused there.
 *	    (Not those PRAGMAs that are a part of it: user_version, application_id …) They are not
 *	    rolled back when the rest fails.
 *	R5  A BEGIN that is the first statement and a COMMIT that is the last, as in a dump, are
 *	    what happens anyway, and passed over. Elsewhere they, and ROLLBACK, are refused
 *	    (HF_DATA): the script would be in two parts. SAVEPOINT, RELEASE and ROLLBACK TO are
 *	    the script's.
 *	R6  Inside of another's transaction PRAGMA journal_mode and locking_mode are refused: there
 *	    SQLite obeys, and has no journal to roll back by, or keeps its locks.
 *	R7  A script that only reads sets no PRAGMA query_only, which is what keeps it from writing,
 *	    and no journal_mode or locking_mode, and makes no checkpoint: these are not under it.
 *
 * A message tells the line and column of what failed. While it runs HUP, INT and TERM end it: it is
 * rolled back, and the caller is told, so that it can die of the signal. For single-threaded tools.
 *
 * Errors: HF_DATA the SQL is empty, or has a NUL byte; what the statements do; hf_params_bind()'s.
 */

#include "sqlite/query.h"
#include "sqlite/params.h"
#include "sqlite/row_format.h"

struct hf_script {
	const char *text; /* and a NUL behind it */
	size_t size;
	struct hf_params *params;
	struct hf_rows *rows; /* its outbox is emptied and filled */
	int signal;	      /* after the run: what came meanwhile, or 0 */

	struct hf_db *db;
	const char *at;
	bool reads;	   /* R7 */
	bool begun, ended; /* by a statement of its own */
	bool inside;
};

enum hf_status hf_script_run(struct hf_script *script, struct hf_db *db, struct hf_err *err);

/* The same inside of a transaction that the caller has begun and will end: for one of several
 * scripts, which share their params. What it selects is passed over, rows may be NULL. Signals are
 * left alone, and whether every value was bound is left to the caller (hf_params_check()). */
enum hf_status hf_script_run_inside(struct hf_script *script, struct hf_db *db, struct hf_err *err);

#endif
