/* SPDX-License-Identifier: ISC */
#ifndef HF_FILE_WATCH_H
#define HF_FILE_WATCH_H

/*
 * Wait until a file of another program goes away, for which the kernel has no queue.
 *
 *	hf_file_watch_begin(&watch, dir, "x.lock", deadline, &err);
 *	while (it is there) {
 *		hf_file_watch_process(&watch, pid);
 *		if (!hf_file_watch_sleep(&watch))
 *			...			(the deadline has passed)
 *	}
 *	hf_file_watch_end(&watch);
 *
 * An event between begin and sleep ends the sleep at once. A handled signal ends it too. A crash
 * leaves nothing. One thread at a time.
 */

#include <holdfast/clock.h>

struct hf_file_watch {
	struct hf_backoff backoff;
	const char *name;    /* borrowed */
	int notify, process; /* -1: none */
	int pid;
};

/* Begin to watch `name` in dir. HF_USAGE: HOLDFAST_BACKOFF cannot be parsed. */
enum hf_status hf_file_watch_begin(struct hf_file_watch *await, int dir, const char *name,
				   int64_t deadline, struct hf_err *err);

/* The same without a directory: sleeps of at most 10 ms. */
enum hf_status hf_file_watch_begin_often(struct hf_file_watch *await, int64_t deadline,
					 struct hf_err *err);

/* Set the process whose exit ends the sleep; 0: none. */
void hf_file_watch_process(struct hf_file_watch *await, int pid);

/* Sleep. Return false, without sleeping, if the deadline has passed. */
bool hf_file_watch_sleep(struct hf_file_watch *await);

void hf_file_watch_end(struct hf_file_watch *await);

/* Read the pending events of an inotify descriptor that does not block. Return true if one of them
 * is about `name` or the directory itself; with `beside` also about NAME-wal and the like. For
 * store/db_watch.h. */
bool hf_file_watch_read(int notify, const char *name, bool beside);

#endif
