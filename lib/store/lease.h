/* SPDX-License-Identifier: ISC */
#ifndef HF_LEASE_H
#define HF_LEASE_H

/*
 * Leases: locks with a name and an end, that outlive the process which took them.
 *
 * A lease is held until it is released or runs out, by whoever knows its fencing token; nobody
 * looks whether he lives. It is for holders that are no process of this machine, or none for long:
 * a ticket that is worked on, a host's turn, a deployment.
 *
 *	free --acquire--> held, token T --renew--> held, token T, later end
 *	                  held --release--> free
 *	                  held --(now >= expires)--> free
 *
 *	E1  At every instant by the clock of the database's machine a name has one holder at most.
 *	    Acquiring looks and takes in one transaction, so of N who want a free name one gets it.
 *	E2  Several names are one step, with one token: all are had, or none.
 *	E3  The token is greater than any before it (store.h, S5). A later holder's is greater.
 *	E4  renew and release are for the one who holds it now: whose token (or holder's name) it
 *	    is, and whose time is not over. Everybody else is told no, and nothing is changed; also
 *	    one whose time is over and whom nobody has followed yet.
 *	E5  It has run out when now >= expires.
 *
 * A holder that stands still past its end and goes on is not kept from working: the clock can only
 * tell who may begin. So what is done under a lease goes with the token, and the one who does it
 * (the server, the table) refuses a token that is smaller than the greatest it has seen.
 *
 * One who waits is woken when the database changes and when the lease runs out (store/db_watch.h);
 * he takes no lock meanwhile. Among those who wait there is no order. Leases that have run out are
 * removed by those who acquire. A crash leaves what was committed. Errors: store/store.h's.
 */

#include <stdint.h>

#include "store/store.h"

/*
 * Take all the names, waiting for them until the deadline; for the database, each time, as the
 * store says. HF_BUSY: somebody holds one, and err says who and for how long; or somebody has the
 * database. HF_USAGE: an empty name.
 */
enum hf_status hf_lease_acquire(struct hf_store *store, const struct hf_bytes *names, size_t count,
				const char *holder, int64_t ttl, int64_t deadline, int64_t *token,
				struct hf_err *err);

/* Who says that he holds them. */
struct hf_lease_proof {
	int64_t token;	    /* 0: not given */
	const char *holder; /* NULL: not given */
};

/* HF_NO: one is not his, or not any more; err says why. ttl: from now on. */
enum hf_status hf_lease_renew(struct hf_store *store, const struct hf_bytes *names, size_t count,
			      const struct hf_lease_proof *proof, int64_t ttl, struct hf_err *err);
enum hf_status hf_lease_release(struct hf_store *store, const struct hf_bytes *names, size_t count,
				const struct hf_lease_proof *proof, struct hf_err *err);

struct hf_lease {
	struct hf_bytes name;	 /* and a NUL behind it */
	const char *holder;
	int64_t token, acquired, expires; /* microseconds of UTC */
};

/* Those that are held now, in the order of their names; each() may end it by another status than
 * HF_OK. What it gets is valid during the call. */
enum hf_status hf_lease_list(struct hf_store *store,
			     enum hf_status (*each)(void *context, const struct hf_lease *lease,
						    struct hf_err *err),
			     void *context, struct hf_err *err);

#endif
