/* SPDX-License-Identifier: ISC */
#ifndef HF_SCRIPT_H
#define HF_SCRIPT_H

/*
 * Run a user's SQL as one transaction.
 *
 * The script is in memory, so it can run again if an external program kept the database busy; its
 * output is held back (sqlite/held_output.h). README.md has the rules sqlite/R1 to R7.
 *
 * A message has the line and column of the failure. HUP, INT and TERM end a running script: it is
 * rolled back, and script->signal is set, so that the caller can die of the signal. For
 * single-threaded programs.
 *
 * Errors: HF_DATA: the SQL is empty, or has a NUL byte; those of its statements and of
 * hf_params_bind().
 */

#include "sqlite/query.h"
#include "sqlite/params.h"
#include "sqlite/row_format.h"

struct hf_script {
	const char *text; /* followed by a NUL */
	size_t size;
	struct hf_params *params;
	struct hf_rows *rows; /* its output is cleared and filled */
	int signal;	      /* set: a signal that came during the run, or 0 */

	struct hf_db *db;
	const char *at, *end;
	bool reads;	   /* sqlite/R7 */
	bool begun, ended; /* by a statement of the script */
	bool inside;
};

enum hf_status hf_script_run(struct hf_script *script, struct hf_db *db, struct hf_err *err);

/* Run the script inside a transaction that the caller has begun and will end: for one of several
 * scripts, which share their params. Selected rows are ignored, and rows may be NULL. Signals are
 * not handled. The caller checks that every value was bound (hf_params_check()). */
enum hf_status hf_script_run_inside(struct hf_script *script, struct hf_db *db, struct hf_err *err);

#endif
