/* SPDX-License-Identifier: ISC */
#ifndef HF_ONCE_LOCK_H
#define HF_ONCE_LOCK_H

/*
 * The locks of keys whose commands run: bytes of `DB-once`, by fcntl(2) on an open file description
 * (store/O5, holdfast/lock_range.h).
 *
 * The byte is a hash of the key. The first process that runs a command makes the file, as a
 * turnstile is made. The bytes of several keys are one lock set, taken before the database. The
 * kernel frees a byte when its holder and the command that inherited it have exited.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct hf_lockset;

struct hf_once_lock {
	struct hf_lockset *set; /* NULL: none is held */
	int64_t *held;		/* byte offsets */
	size_t count;
	int probe; /* the file, for tests; -1: not open */
	bool any;  /* another process holds a byte */
};

/* Find out whether commands run. Start with an all-zero struct and probe -1. */
void hf_once_lock_look(struct hf_once_lock *lock, const struct hf_store *store);

/* Return true if another process holds this key's byte. Fast if `any` is false. */
bool hf_once_lock_is_foreign(const struct hf_once_lock *lock, const struct hf_bytes *key);

/* Take the bytes of these keys; with `running`, only those that other processes hold. Releases the
 * held bytes first. HF_BUSY: the command of one of the keys runs. */
enum hf_status hf_once_lock_take(struct hf_once_lock *lock, const struct hf_store *store,
				 const struct hf_bytes *keys, size_t count, bool running,
				 const struct hf_wait *wait, struct hf_err *err);

void hf_once_lock_release(struct hf_once_lock *lock);

#endif
