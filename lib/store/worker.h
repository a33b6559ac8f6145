/* SPDX-License-Identifier: ISC */
#ifndef HF_WORKER_H
#define HF_WORKER_H

/*
 * A worker: claim jobs of a queue (store/queue.h) one after the other, and run a command for each.
 *
 * The command receives the payload as standard input, and HOLDFAST_JOB and HOLDFAST_TOKEN in its
 * environment. README.md has the rules store/W1 to W4.
 *
 * For single-threaded programs: signals are process-wide, as in base/spawn.h. Errors: those of
 * store/queue.h and hf_spawn(); HF_UNCERTAIN: the command succeeded, but the database could not be
 * updated, so the job will run again. After an error nothing stays claimed, if the database can be
 * used.
 */

#include <stdint.h>

#include "store/queue.h"

enum hf_worker_result {
	HF_WORK_DONE,
	HF_WORK_FAILED, /* and waits again */
	HF_WORK_DEAD,	/* it was the last attempt */
	HF_WORK_LOST,	/* store/W2 */
	HF_WORK_ASKED,	/* asked to end, and failed (store/W3) */
};

struct hf_work {
	struct hf_bytes queue;
	const char *holder;
	int64_t ttl;	 /* of a lease, nanoseconds; HF_NEVER: it is not renewed */
	int64_t delay;	 /* until a failed job is due again */
	int64_t timeout; /* for the database, each time */
	int64_t wait;	 /* for a job; 0: return if there is none */
	char **command;

	/* Called for each job that has ended, with the command's wait status. May be NULL. */
	void (*tell)(void *context, const struct hf_job *job, enum hf_worker_result end,
		     int wait_status);
	void *context;

	uint64_t done, failed; /* set */
	int asked;	       /* set: the signal that asked this process to end, or 0 */
};

/* Work until there is no job or a signal asks to end (HF_OK for both), or until an error. */
enum hf_status hf_work(struct hf_store *store, struct hf_work *work, struct hf_err *err);

/* Run several workers: `count` processes, each of which calls body(context) and exits with its
 * result. A signal that a process sent is passed on to all of them. *worst: the first result other
 * than 0, 128 + the signal for a death. *asked: as above. HF_OS: no process could be forked. */
enum hf_status hf_workers(int count, int (*body)(void *context), void *context, int *worst,
			  int *asked, struct hf_err *err);

#endif
