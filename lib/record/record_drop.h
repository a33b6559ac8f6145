/* SPDX-License-Identifier: ISC */
#ifndef HF_DROP_H
#define HF_DROP_H

/*
 * Discard an unfinished record that can never be finished, because a user asks for it (record/D1
 * to record/D3). Its content is saved first, in DATABASE.record-ID; or where that name is taken by
 * anything but the caller's own directory, in DATABASE.record-ID.1, and so on to .9.
 *
 *	hf_record_locks_init(), hf_record_discard(), hf_record_locks_end()
 *
 * Takes the database's turnstile and write lock, to the deadline. Every user who can write to the
 * database can discard. A crash leaves the intent and the saved content, which the next call
 * replaces. Errors: HF_NOINPUT no such record; HF_USAGE the id is malformed or ambiguous; HF_DATA
 * the row cannot be understood, or a newer version made it; HF_BUSY; those of sqlite/db.h and
 * holdfast/atomic.h. One thread; not async-signal-safe.
 */

#include <limits.h>

#include "record/record_locks.h"

enum { HF_DROP_MIN = 8 }; /* required digits of an id */

/* Discard the record whose id begins with `id`. hold is initialised, and empty. `tell` is called
 * with the intent before anything is done; `saved` is the directory. */
enum hf_status hf_record_discard(struct hf_record_locks *hold, const char *id,
				 void (*tell)(void *context, const struct hf_intent *intent),
				 void *context, char saved[PATH_MAX], struct hf_err *err);

#endif
