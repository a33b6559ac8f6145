/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_BUSY_H
#define HF_DB_BUSY_H

/*
 * Pauses between tries while an external program uses the database, to the deadline.
 *
 * No lock is held during a pause, except by a COMMIT that waits for readers. The pauses are those
 * of holdfast/clock.h, at most 20 ms unless the user sets another backoff. After a second
 * wait->notice reports the blocking process; at the deadline the error names it. Refused while a
 * Git repository's lock is inherited or held for an ancestor (sqlite/D5).
 *
 * A child process searches for the blocking process, since closing the examined files would release
 * this process's locks (probe/Q3). It calls no function of SQLite, reports through a pipe, and ends
 * with _exit(). The search takes about a millisecond, and is made for messages only. One thread at
 * a time.
 */

#include <stdbool.h>

#include <holdfast/clock.h>
#include "wait/wait_notice.h"

struct hf_db_pause {
	const char *path;
	const struct hf_wait *wait;
	bool readers; /* readers block, not a writer */
	bool checked; /* for a repository's lock: once is enough */
	struct hf_backoff backoff;
	struct hf_wait_notice notice;
};

/* Begin. backoff is --backoff, or NULL. HF_USAGE: it, or HOLDFAST_BACKOFF, cannot be parsed. */
enum hf_status hf_db_pause_begin(struct hf_db_pause *pause, const char *path,
				 const struct hf_wait *wait, const char *backoff, bool readers,
				 struct hf_err *err);

/* A try was busy, as err says: pause and return true. False: do not try again; *status and err say
 * why. */
bool hf_db_pause(struct hf_db_pause *pause, enum hf_status *status, struct hf_err *err);

#endif
