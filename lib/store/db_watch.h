/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_WATCH_H
#define HF_DB_WATCH_H

/*
 * Wait until a database changes.
 *
 *	hf_db_watch_begin(&watch, store->real);
 *	while (there is nothing to do, and the deadline has not passed)
 *		hf_db_watch_sleep(&watch, until);
 *	hf_db_watch_end(&watch);
 *
 * inotify(7) only makes the sleeps shorter: a sleep ends at `until` and after a second at most (100
 * ms without inotify). An event between begin and sleep ends the sleep. A handled signal ends it
 * too. A crash leaves nothing. One thread at a time.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct hf_db_watch {
	bool begun;
	int notify; /* -1: none */
	char name[NAME_MAX + 1];
	int64_t nap;
};

/* Begin to watch, if this was not done yet: {.notify = -1} has not begun. path is the database's
 * own, without symbolic links. Never fails. */
void hf_db_watch_begin(struct hf_db_watch *watch, const char *path);

/* Sleep until a change, until this instant (hf_now()'s clock), or for a nap's length. */
void hf_db_watch_sleep(struct hf_db_watch *watch, int64_t until);

void hf_db_watch_end(struct hf_db_watch *watch);

#endif
