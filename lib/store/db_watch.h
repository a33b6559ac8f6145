/* SPDX-License-Identifier: ISC */
#ifndef HF_STORE_WATCH_H
#define HF_STORE_WATCH_H

/*
 * Waiting until a database changes, or until a lease in it runs out.
 *
 *	hf_db_watch_begin(&watch, store->real);
 *	while (there is nothing for us, and the deadline has not passed)
 *		hf_db_watch_sleep(&watch, until);
 *	hf_db_watch_end(&watch);
 *
 * inotify(7) on the directory tells of writes to the database, its log and its journal, and of the
 * turnstile that is given back. A write to the log comes before the commit that it is part of can
 * be seen, and the commit itself is a write to shared memory, of which nothing is told: so after an
 * event the sleeps are short (1 ms, then twice as long each time, up to a second). Our own writers
 * give the turnstile back after the commit, which is the event that ends the sleep for good.
 *
 * Nothing relies on being told: a sleep ends at `until` (the next expiry, or the deadline) and
 * after a second at the latest, or after 100 ms where there is no inotify instance to be had (128
 * a user by default). What happens between begin and sleep ends the sleep.
 *
 * A signal that is handled ends a sleep. A crash leaves nothing. One thread at a time.
 */

#include <limits.h>
#include <stdint.h>

struct hf_db_watch {
	int notify; /* -1: none */
	char name[NAME_MAX + 1];
	int64_t nap;
};

/* path: the database's own, without links. Never fails: without inotify it polls. */
void hf_db_watch_begin(struct hf_db_watch *watch, const char *path);

/* Sleep until something has changed, or until this instant (hf_now()'s clock), or a nap long. */
void hf_db_watch_sleep(struct hf_db_watch *watch, int64_t until);

void hf_db_watch_end(struct hf_db_watch *watch);

#endif
