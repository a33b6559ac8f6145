/* SPDX-License-Identifier: ISC */
#ifndef HF_ONCE_H
#define HF_ONCE_H

/*
 * Marks in a store: a key was seen. Of any number of concurrent processes exactly one makes a mark.
 *
 * README.md has the rules store/O1 to O6. While a command runs once, there is no mark but a lock on
 * the key's byte of `DB-once`; a process that marks the key waits for the outcome.
 *
 * Readers block no process and are not blocked. Markers remove expired marks, twice as many as they
 * make. A crash leaves the last committed transaction; a command whose success was not marked runs
 * again. Errors: those of store/store.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/once_lock.h"
#include "store/store.h"

/* Mark all keys in one step. ttl: nanoseconds, or HF_NEVER. HF_OK: none was marked, and now all
 * are. HF_NO: one was marked. */
enum hf_status hf_once_mark(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			    int64_t ttl, struct hf_err *err);

/* Mark each key by itself, in one transaction. first[i]: it was not marked, and is not equal to an
 * earlier one. Empty keys are allowed. keep false: roll back, so that only first is set. */
enum hf_status hf_once_mark_each(struct hf_store *store, const struct hf_bytes *keys, size_t count,
				 int64_t ttl, bool keep, bool *first, struct hf_err *err);

/* HF_OK: all keys are marked. HF_NO: one is not. */
enum hf_status hf_once_check(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			     struct hf_err *err);

/* Remove marks. HF_OK: removed. HF_NO: none of the keys was marked. */
enum hf_status hf_once_forget(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			      struct hf_err *err);

/* Remove expired marks, and those that were made longer than older_than ago (HF_NEVER: none). Works
 * in steps, between which other processes can use the database. *removed: their number. */
enum hf_status hf_once_purge(struct hf_store *store, int64_t older_than, int64_t *removed,
			     struct hf_err *err);

/* Count the marked keys. */
enum hf_status hf_once_count(struct hf_store *store, int64_t *count, struct hf_err *err);

/*
 * A command that runs once: claim, run it, then mark or only release.
 *
 * hf_once_claim() returns HF_OK if the caller must run the command, and HF_NO if a key is marked.
 * Until the release no other process claims or marks these keys. The command must inherit the
 * descriptors that hf_once_claim_fds() returns (struct hf_command's keep).
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
