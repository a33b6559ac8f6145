/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_LOOK_H
#define HF_LOCK_LOOK_H

/*
 * Looks aside from a wait for flock(2): can it end at all?
 *
 * Made by the watching thread of holdfast/lock_wait.h, 25 ms into the wait, then after a second,
 * and again and again. Who inherits no locks has a reason less to wait for himself: his first look
 * is a short one, for the order of locks alone, and the next is made after 250 ms. Many who wait in
 * a queue have their turn before that. What a look can find:
 *
 *	HF_USAGE	the lock is held by a descriptor that the waiter inherited, by an ancestor
 *			that waits for it to end, or by a keeper for such an ancestor
 *	HF_NO		it is held by a keeper that would lend it, if the caller borrows
 *	HF_USAGE	the wait is against the order of locks (struct hf_wait's forbid)
 *	HF_BUSY		from the second look on: a circle of waiters, and this one is to give up
 *	HF_UNAVAILABLE	nothing can be seen, and the wait is for ever (see below)
 *
 * What a look costs. The ancestors' descriptors are looked at every time: a millisecond. Two places
 * are dear where many wait: /proc/locks, n²/2 bytes long for n waiters, and /proc/net/unix, which
 * shows whether something is kept for an ancestor. A waiter that holds other locks, or has some
 * kept, can be in a circle, and reads both at each look. One of which nothing of the kind is known
 * reads /proc/net/unix at the second look, and then seldom: after four times as long, each minute
 * in the end. So does one with ancestors that it may not look at read /proc/locks, which tells what
 * those took themselves.
 *
 * Where /proc is not mounted nothing can be looked at: a wait for ever is then refused if this
 * process inherits locks (holdfast/fd.h), any other goes on to its deadline.
 *
 * Never blocks. One thread at a time.
 */

#include <stdint.h>

#include "wait/deadlock.h"
#include <holdfast/err.h>
#include "keeper/keeper_client.h"

/* Of one wait, from look to look. The first seven are the caller's. */
struct hf_wait_check {
	int fd;
	bool exclusive;
	const char *path;
	bool nested; /* this process inherits locks */
	bool for_ever;
	enum hf_status (*forbid)(const char *path, struct hf_err *err); /* or NULL */
	bool borrows;

	int64_t start;	/* of the wait */
	bool asked;	/* the short look is done */
	int count;	/* of looks */
	bool likely;	/* other locks are held, or kept: it can be in a circle */
	int64_t seldom; /* when what is not likely is looked for again */
};

/* What one look has shown. */
struct hf_wait_findings {
	struct hf_lock_entries records;
	struct hf_keepers keepers;
	struct hf_ancestor_locks family;
	const struct hf_ancestor_lock *owner; /* in the family; it cannot end */
	struct hf_keeper_loan kept;	   /* for an ancestor that waits for us; or owner 0 */
	bool lent;			   /* if one asks for it */
	bool circle;			   /* and it is for us to give up */
	bool blind;
	struct hf_err forbidden; /* if its status is not HF_OK */
};

/* true: later looks can find more. */
bool hf_wait_check(struct hf_wait_check *look, struct hf_wait_findings *found);

/* Is the wait over? Then err says why. The words may ask the environment for the time zone. */
bool hf_wait_must_end(const struct hf_wait_check *look, struct hf_wait_findings *found,
		      struct hf_err *err);

void hf_wait_check_free(struct hf_wait_findings *found);

#endif
