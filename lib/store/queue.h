/* SPDX-License-Identifier: ISC */
#ifndef HF_QUEUE_H
#define HF_QUEUE_H

/*
 * Queues of jobs: added by some, worked on by others, each by one at a time, until it is done.
 *
 *	          +-------------- release, or the lease runs out ------------+
 *	          v                                                          |
 *	add --> waiting --(due, and the next one)--claim--> claimed, token T +--done--> gone
 *	          ^                                          |
 *	          +------------------ retry ------- dead <---+ (after its last attempt)
 *
 *	Q1  A job is claimed by one at a time: the claim looks and takes in one transaction, and the
 *	    lease that comes with it ends by done, by release, or when now >= its end.
 *	Q2  The next job is the one with the smallest priority, then the oldest (the one that was
 *	    added first, whatever has happened to it since), of those that are due: that wait, and
 *	    not for a later time, or whose lease has run out.
 *	Q3  Each claim has a new token, greater than any before (store/store.h, S5).
 *	Q4  renew, done and release are for him whose token it is and whose time is not over. All
 *	    others are told no, and nothing is changed.
 *	Q5  Each claim is an attempt. A job that has had its last one is dead instead of waiting:
 *	    when it is released, or when the next one would claim it. Dead jobs stay until they are
 *	    retried or purged, so that somebody can look at them.
 *	Q6  A job that is done is removed by the transaction that says so. So it is never done and
 *	    claimed again; but a worker that dies between the work and the word leaves it to the
 *	    next: each job is worked on at least once.
 *
 * A number is never used again. Payloads and queues' names are bytes, of any length.
 *
 * One who waits for a job is woken when the database changes, and sleeps until the next job is due
 * at the latest (store/db_watch.h); he takes no lock meanwhile. A crash leaves what was committed:
 * a claimed job is free again when its lease has run out. Errors: store/store.h's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

enum hf_job_state { HF_JOB_WAITING, HF_JOB_CLAIMED, HF_JOB_DEAD };

struct hf_job {
	int64_t id, priority;
	enum hf_job_state state;
	int64_t due; /* waiting: not before; claimed: the lease's end; dead: since */
	int64_t added;
	int64_t attempts, most; /* most: 0: no limit */
	int64_t token;		/* claimed */
	char *holder;		/* claimed; else NULL */
	struct hf_bytes queue, payload; /* and a NUL behind it */
};
void hf_job_free(struct hf_job *job);

/* Add a job: its queue, payload, priority and most count, and delay (nanoseconds) until it is due.
 * *id: its number. Several in one transaction: hf_queue_add_all(). */
enum hf_status hf_queue_add(struct hf_store *store, const struct hf_job *job, int64_t delay,
			    int64_t *id, struct hf_err *err);

/* The same with each of these payloads; first and last of the numbers, which follow each other. */
enum hf_status hf_queue_add_all(struct hf_store *store, const struct hf_job *job, int64_t delay,
				const struct hf_bytes *payloads, size_t count, int64_t *first,
				int64_t *last, struct hf_err *err);

/* Wait until a job looks claimable, to the deadline. HF_NO: there is none. Nothing is held
 * meanwhile, and a signal may end the process. */
enum hf_status hf_queue_wait(struct hf_store *store, const struct hf_bytes *queue, int64_t deadline,
			     struct hf_err *err);

/* Claim the next job. HF_NO: there is none. job is to be freed. */
enum hf_status hf_queue_claim(struct hf_store *store, const struct hf_bytes *queue,
			      const char *holder, int64_t ttl, struct hf_job *job,
			      struct hf_err *err);

/* Q4. HF_NO: it is not his, or not any more; err says why. */
enum hf_status hf_queue_renew(struct hf_store *store, int64_t id, int64_t token, int64_t ttl,
			      struct hf_err *err);
enum hf_status hf_queue_done(struct hf_store *store, int64_t id, int64_t token,
			     struct hf_err *err);

/* Back into the queue, due after delay; or dead, after its last attempt. uncounted: it was none. */
enum hf_status hf_queue_release(struct hf_store *store, int64_t id, int64_t token, int64_t delay,
				bool uncounted, struct hf_err *err);

/* A dead job waits again, without attempts. HF_NO: there is no such one. */
enum hf_status hf_queue_retry(struct hf_store *store, int64_t id, struct hf_err *err);

/* Remove the dead ones of a queue (NULL: of all) that died longer ago than older_than. */
enum hf_status hf_queue_purge(struct hf_store *store, const struct hf_bytes *queue,
			      int64_t older_than, int64_t *removed, struct hf_err *err);

/* The jobs of a queue (NULL: of all), in the order in which they would be claimed if all were due,
 * the dead ones at the end. each() may end it by another status than HF_OK. */
enum hf_status hf_queue_list(struct hf_store *store, const struct hf_bytes *queue,
			     enum hf_status (*each)(void *context, const struct hf_job *job,
						    struct hf_err *err),
			     void *context, struct hf_err *err);

#endif
