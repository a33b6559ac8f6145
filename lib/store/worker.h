/* SPDX-License-Identifier: ISC */
#ifndef HF_WORK_H
#define HF_WORK_H

/*
 * A worker: claims jobs of a queue (store/queue.h), one after the other, and runs a command for
 * each.
 *
 *	claim	the next job; or wait for one
 *	run	the command, with the payload as its standard input, HOLDFAST_JOB and HOLDFAST_TOKEN
 *		in its environment. While it runs the lease is renewed, at each third of its time.
 *	done	where it exits with 0; else release
 *
 *	W1  A job is done exactly if its command exited with 0 and the lease was never lost.
 *	W2  A lease is lost when its time is over before it could be renewed: the machine slept, the
 *	    process was stopped, the database was busy for too long. Then the command gets a
 *	    SIGTERM, since another worker may have its job by now, and what it did is not taken for
 *	    done. It may end late: work that must not overlap compares tokens.
 *	W3  A worker that is asked to end (HUP, INT, QUIT, TERM) passes that on to the command
 *	    (spawn.h) and claims no more. If the command succeeds its job is done; if not, it waits
 *	    again at once, and this was no attempt. While no command runs, the signal ends the
 *	    process, with nothing claimed.
 *	W4  A worker that is killed leaves the command running, and the job claimed until the lease
 *	    has run out.
 *
 * For single-threaded tools: signals are process-wide, as in base/spawn.h. Errors: of store/queue.h
 * and hf_spawn(); HF_UNCERTAIN: the command has succeeded, but the word could not be written, and
 * the job will be run again. With an error nothing stays claimed, as far as the database can be
 * had.
 */

#include <stdint.h>

#include "store/queue.h"

enum hf_worker_result {
	HF_WORK_DONE,
	HF_WORK_FAILED, /* and waits again */
	HF_WORK_DEAD,	/* and had its last attempt */
	HF_WORK_LOST,	/* W2 */
	HF_WORK_ASKED,	/* W3, and failed */
};

struct hf_work {
	struct hf_bytes queue;
	const char *holder;
	int64_t ttl;	 /* of a lease; HF_NEVER: it is not renewed */
	int64_t delay;	 /* until a job that has failed is due again */
	int64_t timeout; /* for the database, each time */
	int64_t wait;	 /* for a job; 0: end when there is none */
	char **command;

	/* Told of each job that has ended; how, in the wait status of the command. May be NULL. */
	void (*tell)(void *context, const struct hf_job *job, enum hf_worker_result end,
		     int wait_status);
	void *context;

	uint64_t done, failed; /* set */
	int asked;	       /* set: the signal by which this process was asked to end, or 0 */
};

/* Until there is no job, or it is asked to end (HF_OK both), or an error. */
enum hf_status hf_work(struct hf_store *store, struct hf_work *work, struct hf_err *err);

/*
 * Several workers: count processes, each of which calls body(context) and exits with what that
 * returns. Signals that a process sent are passed on to all of them. *worst: the first that was not
 * 0, 128 + the signal for a death. *asked: as above. HF_OS: not one process could be made.
 */
enum hf_status hf_workers(int count, int (*body)(void *context), void *context, int *worst,
			  int *asked, struct hf_err *err);

#endif
