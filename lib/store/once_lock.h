/* SPDX-License-Identifier: ISC */
#ifndef HF_ONCE_LOCK_H
#define HF_ONCE_LOCK_H

/*
 * The locks of keys whose commands run: bytes of `DB-once`, by fcntl(2) on an open file description
 * (holdfast/lock_range.h). store/once.h says what they are for.
 *
 * A key's byte is a hash of it. The file is made by the first who runs a command, as a turnstile is
 * (lock/turnstile.h), and never written to. Where it is absent no command runs, and nobody who only
 * marks makes it.
 *
 * The kernel frees the byte when its holder is dead, and the command that inherited it. Bytes are
 * taken as one lock set, in the order of the bytes, and before the database is.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct hf_lockset;

struct hf_once_lock {
	struct hf_lockset *set; /* NULL: none is held */
	int64_t *held;		/* bytes */
	size_t count;
	int probe; /* the file, to look at; -1: not open */
	bool any;  /* somebody holds one */
};

/* Look anew whether commands run. Beginning with an all-zero struct, probe -1. */
void hf_once_lock_look(struct hf_once_lock *lock, const struct hf_store *store);

/* Does somebody else hold this key's byte? As fast as may be: `any` is asked first. */
bool hf_once_lock_is_foreign(const struct hf_once_lock *lock, const struct hf_bytes *key);

/* Take the bytes of all these keys; where `running`, only of those that somebody holds. What was
 * held is given back first. HF_BUSY: the command of one runs. */
enum hf_status hf_once_lock_take(struct hf_once_lock *lock, const struct hf_store *store,
				 const struct hf_bytes *keys, size_t count, bool running,
				 const struct hf_wait *wait, struct hf_err *err);

void hf_once_lock_release(struct hf_once_lock *lock);

#endif
