/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_START_H
#define HF_KEEPER_START_H

/*
 * Start a keeper: a background process that holds locks after this command has exited.
 *
 *	hf_keeper_start(&plan, &kept, &err)	fork; the keeper acquires the locks
 *	print kept.handle			by which the keeper can be asked later
 *	hf_keeper_leave(&kept, &err)		the keeper now lives on its own
 *	or hf_keeper_abandon(&kept)		the handle could not be printed
 *
 * README.md describes the keeper's life and the invariants keeperd/K1 to K7. If this process dies
 * at any instant before hf_keeper_leave(), the keeper releases everything (keeperd/K2).
 *
 * Errors: those of the locks, as if acquired here; HF_USAGE: the process cannot be the owner;
 * HF_NO: the owner has exited; HF_OS. Blocks up to the deadline of plan->wait. No signal is
 * blocked. For single-threaded programs, since it forks.
 */

#include "keeper/keeper_client.h"
#include <holdfast/lockset.h>

struct hf_keeper_plan {
	pid_t owner; /* 0: none */
	int64_t ttl; /* nanoseconds; HF_NEVER: none */
	char **argv; /* of main(): replaced by the keeper's title; or NULL */

	/* Called in the keeper to fill and acquire the set. */
	enum hf_status (*acquire)(void *context, struct hf_lockset *set, const struct hf_wait *wait,
				  struct hf_err *err);
	struct hf_wait wait; /* its notice is called in the starter */
	void *context;	     /* of acquire */
};

struct hf_kept {
	struct hf_handle handle;
	int socket;
};

/* Start a keeper. HF_OK: it holds everything, as long as this process lives and until
 * hf_keeper_leave(). */
enum hf_status hf_keeper_start(const struct hf_keeper_plan *plan, struct hf_kept *kept,
			       struct hf_err *err);

/* Tell the keeper that its handle is known. HF_NO: the keeper is gone. */
enum hf_status hf_keeper_leave(struct hf_kept *kept, struct hf_err *err);

/* End the keeper. Returns when it has released everything. */
void hf_keeper_abandon(struct hf_kept *kept);

#endif
