/* SPDX-License-Identifier: ISC */
#ifndef HF_SQLITE_HOLD_H
#define HF_SQLITE_HOLD_H

/*
 * SQLite's own write lock, held by a helper.
 *
 * Only SQLite can take its lock, and the core does not load it. So `sqlite-run --hold DB`, found
 * beside this program or on PATH, opens the database, does BEGIN IMMEDIATE without waiting, says
 * one line on its standard output, "held" or "STATUS MESSAGE", and holds until its standard input
 * ends. That is a pipe whose writing end is the lock:
 *
 *	Z1  Whoever has a copy of the writing end keeps the database frozen: the caller, and the
 *	    command that inherits it. When the last of them ends, however it ends, the helper reads
 *	    the end of file, rolls back what it did not change, and ends.
 *	Z2  The helper has a session of its own, so that Ctrl-C does not thaw under a command that
 *	    goes on.
 *	Z3  Who kills the helper thaws. hf_sqlite_hold_lost() tells.
 *	Z4  The helper holds nothing else: no descriptor of the caller's, which may be a lock, and
 *	    no directory.
 *	Z5  That a database is frozen for us already is proved by the pipe: the helper reads it, and
 *	    we have inherited its writing end, or are lent it by an ancestor's keeper.
 *	Z6  A helper that does not answer (it is stopped, or the machine stands still) is killed at
 *	    the deadline, with whatever it has started. It has two seconds in any case, since to
 *	    start it is work and no wait, and at most ten, since others wait behind the turnstile:
 *	    the set gives that back then, and tries again.
 *
 * begin waits for the helper's answer, which waits for nobody; end waits for the helper's end, by
 * which the database is free, and kills it after 200 ms. HF_BUSY: somebody writes, or Z6.
 * HF_UNAVAILABLE: there is no sqlite-run. A process that gives up (holdfast/clock.h) waits for no
 * answer. Thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <holdfast/err.h>

struct hf_sqlite_freezer {
	pid_t pid;   /* 0: none */
	int process; /* its pidfd, since somebody who reaps all (PID 1) can free its PID; or -1 */
	int fd;	     /* the writing end, from 64 up, close-on-exec; or -1 */
};

enum hf_status hf_sqlite_hold_begin(struct hf_sqlite_freezer *hold, const char *path,
				    int64_t deadline, struct hf_err *err);

/* lent: somebody has a copy of the writing end and goes on; the helper is not killed. */
void hf_sqlite_hold_end(struct hf_sqlite_freezer *hold, bool lent);

/* Has the helper ended before its time? */
bool hf_sqlite_hold_lost(const struct hf_sqlite_freezer *hold);

/* Z5. Is this process such a helper, whose pipe we have inherited? Or, if borrow, whose keeper
 * lends it to us: then hold is that copy, to be ended like another. */
bool hf_sqlite_hold_is_ours(struct hf_sqlite_freezer *hold, pid_t pid, bool borrow);

#endif
