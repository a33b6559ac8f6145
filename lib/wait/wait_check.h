/* SPDX-License-Identifier: ISC */
#ifndef HF_WAIT_CHECK_H
#define HF_WAIT_CHECK_H

/*
 * Checks during a wait for flock(2): can the wait still end?
 *
 * The watching thread of lock_wait.h calls hf_wait_check() at the times that README.md lists, and
 * hf_wait_must_end() with the findings. Never blocks. One thread at a time.
 */

#include <stdint.h>

#include "keeper/keeper_client.h"
#include "wait/deadlock.h"
#include <holdfast/err.h>

/* What is checked; README.md says when. */
enum hf_wait_what {
	HF_WAIT_ORDER,	  /* the lock order: forbid() */
	HF_WAIT_SELF,	  /* this process, its ancestors, or their keepers hold the lock */
	HF_WAIT_DEADLOCK, /* the same, and a deadlock */
};

/* The state of one wait. The caller sets the members up to `start`. */
struct hf_wait_check {
	int fd;
	bool exclusive;
	const char *path;
	bool nested;	/* this process inherits locks */
	bool unlimited; /* the wait has no deadline */
	enum hf_status (*forbid)(const char *path, struct hf_err *err); /* or NULL */
	bool borrows;

	int64_t start;	/* of the wait */
	bool likely;	/* other locks are held or kept: a deadlock is possible */
	int64_t seldom; /* time of the next expensive check if a deadlock is unlikely */
};

/* The result of one check. */
struct hf_wait_findings {
	struct hf_lock_entries records;
	struct hf_keepers keepers;
	struct hf_ancestor_locks family;
	const struct hf_ancestor_lock *owner; /* holds the lock, in the family; the wait cannot
					       * end */
	struct hf_keeper_loan kept; /* the keeper of an ancestor that waits for this process;
					    * owner 0: none */
	bool lent;		    /* the keeper would lend */
	bool circle;		    /* a deadlock, and this process is its victim */
	bool blind;
	struct hf_err forbidden; /* if its status is not HF_OK */
};

/* Check once. Return true if later checks can find more. */
bool hf_wait_check(struct hf_wait_check *state, enum hf_wait_what what,
		   struct hf_wait_findings *found);

/* Return true if the findings end the wait; err says why. The message may read the time zone from
 * the environment. */
bool hf_wait_must_end(const struct hf_wait_check *state, struct hf_wait_findings *found,
		      struct hf_err *err);

void hf_wait_check_free(struct hf_wait_findings *found);

#endif
