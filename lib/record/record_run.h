/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_RUN_H
#define HF_RECORD_RUN_H

/*
 * A run, from state to state (README.md, The protocol).
 *
 *	hf_record_run_begin(), hf_record_run_add_file(), hf_record_run_advance(),
 *	hf_record_run_end()
 *
 * Blocks, crash, signals and errors: record.h; err is not NULL. For single-threaded tools.
 */

#include "record/record.h"
#include "record/recovery.h"
#include "record/redo.h"

/* A function for each state leads to the next one, or back to a state before LOCKED if another
 * process was first. */
enum hf_record_state {
	HF_RECORD_MOVED,     /* a path leads elsewhere now: open its directory again */
	HF_RECORD_READY,     /* all directories are open, and nothing is held */
	HF_RECORD_LOCKED,    /* everything is held, and no other record is unfinished */
	HF_RECORD_STAGED,    /* the SQL has run, and all that needs it is durable */
	HF_RECORD_COMMITTED, /* the commit point has been passed */
	HF_RECORD_DONE,
};

struct hf_record_run {
	const struct hf_record_request *request;
	struct hf_record_result *result;
	enum hf_record_state state;
	struct hf_record_locks hold;
	struct hf_recovery recovery;
	struct hf_intent intent;
	struct hf_redo redo; /* has the files and the repository */
	int late;	     /* attempts after the deadline */
};

void hf_record_run_begin(struct hf_record_run *r, const struct hf_record_request *request,
			 struct hf_record_result *result);

/* Find out where the open file `i` is, share its directory, and add its lock. HF_USAGE: an earlier
 * file is the same. */
enum hf_status hf_record_run_add_file(struct hf_record_run *r, size_t i, struct hf_err *err);

/* Go on to this state. Before LOCKED nothing is held, and the wait goes on to the deadline. */
enum hf_status hf_record_run_advance(struct hf_record_run *r, enum hf_record_state end,
				     struct hf_err *err);

/* Release and free everything. */
void hf_record_run_end(struct hf_record_run *r);

#endif
