/* SPDX-License-Identifier: ISC */
#ifndef HF_DROP_H
#define HF_DROP_H

/*
 * Giving up an unfinished record (record/recovery.h), because a user says so.
 *
 * A record whose branch was deleted, or whose repository is gone for good, can never be finished.
 * It is reported by each record that is made in its database, and never dropped by itself: its rows
 * are committed, and what belongs to them is only in its intent.
 *
 *	D1  Nothing is lost. What the intent has is first put beside the database, durably: the
 *	    directory DATABASE.record-ID, mode 0700, with the content of each file that was to be
 *	    written or appended to as N-NAME, and all else (repository, branch, tip, message,
 *	    hashes, what was to become of each file) as text in the file "record".
 *	D2  Then the intent is deleted, and that is durable before it is said.
 *	D3  Nothing else is touched but the marks of its appends (record_mark.h), which are removed
 *	    where its files' directories are found: the record's rows stay, and so does what was
 *	    done already of its files, its index entries and its commit. The user puts right by
 *	    hand what they want.
 *
 * The caller has no hold; the database's turnstile and write lock are taken, to the deadline. A
 * crash leaves the intent, and what was saved, which the next try replaces. Who may write to the
 * database may drop.
 *
 * Errors: HF_NOINPUT there is no such record; HF_USAGE the id is not one, or means several; HF_DATA
 * the row cannot be understood, or was made by a newer version; HF_BUSY; those of sqlite/db.h and
 * holdfast/atomic.h.
 */

#include <limits.h>

#include "record/record_locks.h"

enum { HF_DROP_MIN = 8 }; /* digits of an id that are asked for */

/* Drop the record whose id begins with `id`. hold is initialized, and nothing is wanted. tell is
 * called with it before anything is done; saved is the directory. */
enum hf_status hf_record_discard(struct hf_record_locks *hold, const char *id,
				 void (*tell)(void *context, const struct hf_intent *intent),
				 void *context, char saved[PATH_MAX], struct hf_err *err);

#endif
