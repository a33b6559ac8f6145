/* SPDX-License-Identifier: ISC */
#ifndef HF_LEASE_H
#define HF_LEASE_H

/*
 * Leases: locks with a name and an expiry, in a store. They outlive the process that acquired them.
 *
 * A lease is held until it is released or expires, by the process that knows its fencing token;
 * README.md has the rules store/E1 to E5. Work under a lease must carry the token, and the resource
 * must refuse a token smaller than the greatest it has seen.
 *
 * A waiter holds no lock, and waiters have no order. A crash leaves the last committed transaction.
 * Errors: those of store/store.h.
 */

#include <stdint.h>

#include "store/store.h"

/* Acquire all names, in one step, and wait for them until the deadline. The wait for the database
 * is limited by the store, each time. HF_BUSY: another holder has one of them (err names it and the
 * remaining time), or the database is busy. HF_USAGE: an empty name. */
enum hf_status hf_lease_acquire(struct hf_store *store, const struct hf_bytes *names, size_t count,
				const char *holder, int64_t ttl, int64_t deadline, int64_t *token,
				struct hf_err *err);

/* The proof that the caller holds the names. */
struct hf_lease_proof {
	int64_t token;	    /* 0: not given */
	const char *holder; /* NULL: not given */
};

/* Renew or release all names. ttl begins now. HF_NO: the caller does not hold one of them, or not
 * any longer; err says why. */
enum hf_status hf_lease_renew(struct hf_store *store, const struct hf_bytes *names, size_t count,
			      const struct hf_lease_proof *proof, int64_t ttl, struct hf_err *err);
enum hf_status hf_lease_release(struct hf_store *store, const struct hf_bytes *names, size_t count,
				const struct hf_lease_proof *proof, struct hf_err *err);

struct hf_lease {
	struct hf_bytes name; /* NUL-terminated */
	const char *holder;
	int64_t token, acquired, expires; /* microseconds of UTC */
};

/* Call each() for the leases that are held now, sorted by name. A status other than HF_OK from
 * each() ends the list. Its arguments are valid during the call. */
enum hf_status hf_lease_list(struct hf_store *store,
			     enum hf_status (*each)(void *context, const struct hf_lease *lease,
						    struct hf_err *err),
			     void *context, struct hf_err *err);

#endif
