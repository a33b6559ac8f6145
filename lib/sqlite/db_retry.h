/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_PAUSE_H
#define HF_DB_PAUSE_H

/*
 * Waiting for somebody who knows of no turnstile: pauses between tries, to the deadline. Nothing is
 * held meanwhile, but by a COMMIT that waits for readers to end.
 *
 * The pauses are those of holdfast/clock.h, of at most 20 ms unless the user says otherwise, so
 * that the end of a foreign writer is seen soon. After a second wait->notice says who is in the
 * way; at the deadline the message does (sqlite/db_blocker.h). While a lock on a Git repository is
 * inherited, or kept for an ancestor, a wait is refused (sqlite/db.h, D5). One thread at a time.
 */

#include <stdbool.h>

#include <holdfast/clock.h>
#include "wait/wait_notice.h"

struct hf_db_pause {
	const char *path;
	const struct hf_wait *wait;
	bool readers; /* are in the way, not a writer */
	bool looked;  /* whether a repository's lock is kept: once is enough */
	struct hf_backoff backoff;
	struct hf_wait_notice notice;
};

/* backoff is --backoff, or NULL. HF_USAGE: it, or HOLDFAST_BACKOFF, cannot be understood. */
enum hf_status hf_db_pause_begin(struct hf_db_pause *pause, const char *path,
				 const struct hf_wait *wait, const char *backoff, bool readers,
				 struct hf_err *err);

/* A try was busy, and err says so: pause, and true. false: no further try; *status and err say
 * why. */
bool hf_db_pause(struct hf_db_pause *pause, enum hf_status *status, struct hf_err *err);

#endif
