/* SPDX-License-Identifier: ISC */
#ifndef HF_QUEUE_H
#define HF_QUEUE_H

/*
 * Job queues in a store: each job is claimed by one worker at a time, until it is done.
 *
 * README.md shows the states, and the rules store/Q1 to Q6. Each job is worked on at least once.
 *
 * A waiter sleeps until the database changes or the next job is due, without a lock. A crash leaves
 * the last committed transaction: a claimed job is free again when its lease expires. Errors: those
 * of store/store.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

enum hf_job_state { HF_JOB_WAITING, HF_JOB_CLAIMED, HF_JOB_DEAD };

struct hf_job {
	int64_t id, priority;
	enum hf_job_state state;
	int64_t due; /* waiting: not before; claimed: the lease's expiry; dead: since */
	int64_t added;
	int64_t attempts, most;		/* most 0: no limit */
	int64_t token;			/* if claimed */
	char *holder;			/* if claimed; otherwise NULL */
	struct hf_bytes queue, payload; /* NUL-terminated */
};
void hf_job_free(struct hf_job *job);

/* Add a job for each payload, in one transaction, with the queue, priority and most of *job; they
 * are due after `delay` nanoseconds. *first and *last: their numbers, which are consecutive. */
enum hf_status hf_queue_add(struct hf_store *store, const struct hf_job *job, int64_t delay,
			    const struct hf_bytes *payloads, size_t count, int64_t *first,
			    int64_t *last, struct hf_err *err);

/* Wait until a job seems claimable, to the deadline. HF_NO: there is none. No lock is held in the
 * meantime, and a signal may end the process. */
enum hf_status hf_queue_wait(struct hf_store *store, const struct hf_bytes *queue, int64_t deadline,
			     struct hf_err *err);

/* Claim the next job, which the caller frees. HF_NO: there is none. */
enum hf_status hf_queue_claim(struct hf_store *store, const struct hf_bytes *queue,
			      const char *holder, int64_t ttl, struct hf_job *job,
			      struct hf_err *err);

/* Renew a claim, or report the job done (store/Q4). HF_NO: the caller does not hold it, or not any
 * longer; err says why. */
enum hf_status hf_queue_renew(struct hf_store *store, int64_t id, int64_t token, int64_t ttl,
			      struct hf_err *err);
enum hf_status hf_queue_done(struct hf_store *store, int64_t id, int64_t token,
			     struct hf_err *err);

/* Return the job to the queue, due after `delay`; or make it dead after its last attempt.
 * uncounted: this was not an attempt. */
enum hf_status hf_queue_release(struct hf_store *store, int64_t id, int64_t token, int64_t delay,
				bool uncounted, struct hf_err *err);

/* Let a dead job wait again, with no attempts counted. HF_NO: there is no such dead job. */
enum hf_status hf_queue_retry(struct hf_store *store, int64_t id, struct hf_err *err);

/* Remove the jobs of a queue (NULL: of all queues) that have been dead for longer than
 * older_than. */
enum hf_status hf_queue_purge(struct hf_store *store, const struct hf_bytes *queue,
			      int64_t older_than, int64_t *removed, struct hf_err *err);

/* Call each() for the jobs of a queue (NULL: of all queues), in the order of claiming, as if all
 * were due; dead jobs come last. A status other than HF_OK from each() ends the list. */
enum hf_status hf_queue_list(struct hf_store *store, const struct hf_bytes *queue,
			     enum hf_status (*each)(void *context, const struct hf_job *job,
						    struct hf_err *err),
			     void *context, struct hf_err *err);

#endif
