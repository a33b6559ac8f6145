/* SPDX-License-Identifier: ISC */
#ifndef HF_ONCE_H
#define HF_ONCE_H

/*
 * Once: marks that a key was seen, of which one of any number of racers makes the first.
 *
 *	O1  A mark is made by the transaction that finds none. So of N who mark a key, exactly one
 *	    is told that it was the first (HF_OK); all others that it was not (HF_NO).
 *	O2  Several keys are one step: all are new and all are marked, or none is.
 *	O3  A mark has run out when now >= expires, and is then none. Without a TTL it never does.
 *	O4  Keys are bytes, compared as bytes; 1 MB is a key like another. An empty one is refused
 *	    (HF_USAGE), since in a script it is a variable that was not set; but an empty line is a
 *	    line.
 *	O5  Of a command that is run once, the mark says that it has succeeded. While it runs there
 *	    is no mark but a lock, on the byte of `DB-once` which is the key's hash (fcntl(2), open
 *	    file description): whoever dies, or whose command fails, leaves nothing, and the next
 *	    one runs it. Two keys with one hash wait for each other without need, and nothing worse.
 *	O6  Who wants to mark a key whose command runs waits for the outcome, to his deadline
 *	    (HF_BUSY).
 *
 * For O5 and O6 the order is: the byte is locked, then the marks are looked at in a transaction
 * that excludes writers. Who marks looks at the byte in his own such transaction: either his is the
 * earlier one, and then his mark is seen; or it is the later, and then he finds the byte locked.
 * The command inherits the lock, so that a killed wrapper does not let another one in while it
 * still works.
 *
 * A crash between the command's success and the mark lets it be run again: at least once, never
 * "marked and not done".
 *
 * Readers (check, count) block nobody and are blocked by nobody. Marks that have run out are
 * removed by those who mark, twice as many at a time as they make. Errors: store/store.h's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/once_lock.h"
#include "store/store.h"

/* HF_OK: none was marked, and now all are. HF_NO: one was. ttl: nanoseconds, or HF_NEVER. */
enum hf_status hf_once_mark(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			    int64_t ttl, struct hf_err *err);

/* Mark each by itself, all in one transaction; first[i]: it was not marked, and not among those
 * before it. Empty ones are allowed. keep: false undoes it, so that only first tells. */
enum hf_status hf_once_mark_each(struct hf_store *store, const struct hf_bytes *keys, size_t count,
				 int64_t ttl, bool keep, bool *first, struct hf_err *err);

/* HF_OK: all are marked. HF_NO: one is not. */
enum hf_status hf_once_check(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			     struct hf_err *err);

/* HF_OK: forgotten. HF_NO: none was marked. */
enum hf_status hf_once_forget(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			      struct hf_err *err);

/* Remove what has run out, and what was marked longer ago than older_than (HF_NEVER: none), in
 * steps, between which others come in. *removed: how many. */
enum hf_status hf_once_purge(struct hf_store *store, int64_t older_than, int64_t *removed,
			     struct hf_err *err);

/* How many keys are marked. */
enum hf_status hf_once_count(struct hf_store *store, int64_t *count, struct hf_err *err);

/*
 * A command that is run once: claim, run it, then mark, or only release.
 *
 * claim is HF_OK: the command is the caller's to run. HF_NO: a key is marked. Until the release
 * nobody else gets further; fds are what the command inherits (struct hf_command's keep).
 */
struct hf_once_claim {
	struct hf_once_lock lock;
	const struct hf_bytes *keys; /* borrowed */
	size_t count;
};
enum hf_status hf_once_claim(struct hf_once_claim *claim, struct hf_store *store,
			     const struct hf_bytes *keys, size_t count, struct hf_err *err);
size_t hf_once_claim_fds(const struct hf_once_claim *claim, const int **fds);
enum hf_status hf_once_claim_mark(struct hf_once_claim *claim, struct hf_store *store, int64_t ttl,
				  struct hf_err *err);
void hf_once_claim_release(struct hf_once_claim *claim);

#endif
