/* SPDX-License-Identifier: ISC */
#ifndef HF_SQLITE_FREEZE_H
#define HF_SQLITE_FREEZE_H

/*
 * SQLite's own write lock, held by a helper process: sqlite-run --hold DB.
 *
 * A pipe's writing end represents the lock: the helper holds until its standard input ends.
 * README.md has the protocol and the rules lock/Z1 to Z6.
 *
 * hf_sqlite_freeze_begin() waits for the helper's answer, hf_sqlite_freeze_end() for its exit, and
 * kills it after 200 ms. HF_BUSY: another process writes, or the helper does not answer.
 * HF_UNAVAILABLE: sqlite-run is not installed. hf_cancel_waits() ends the wait for an answer.
 * Thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <holdfast/err.h>

struct hf_sqlite_freezer {
	pid_t pid;   /* 0: none */
	int process; /* its pidfd, since a process that reaps every child (PID 1) can free its PID;
		      * or -1 */
	int fd;	     /* the writing end, from 64 up, close-on-exec; or -1 */
};

enum hf_status hf_sqlite_freeze_begin(struct hf_sqlite_freezer *freezer, const char *path,
				      int64_t deadline, struct hf_err *err);

/* End the freeze. lent: another process has a copy of the writing end and continues; do not kill
 * the helper. */
void hf_sqlite_freeze_end(struct hf_sqlite_freezer *freezer, bool lent);

/* Return true if the helper has exited early. */
bool hf_sqlite_freeze_lost(const struct hf_sqlite_freezer *freezer);

/* Return true if pid is a helper whose pipe this process has inherited (lock/Z5); or, with borrow,
 * whose pipe an ancestor's keeper lends. Then freezer is that copy; end it like any other. */
bool hf_sqlite_freeze_is_ours(struct hf_sqlite_freezer *freezer, pid_t pid, bool borrow);

#endif
