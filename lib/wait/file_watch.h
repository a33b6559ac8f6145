/* SPDX-License-Identifier: ISC */
#ifndef HF_AWAIT_H
#define HF_AWAIT_H

/*
 * Waiting for what has no queue in the kernel: that a file of another program's goes away.
 *
 * Two things tell of it: inotify(7) on the directory, when the name is removed or renamed, and a
 * pidfd, when the process that is thought to own it ends. Both are a help and no plan: there may be
 * no instance to be had (128 a user by default), and nothing is heard of another machine. So every
 * sleep ends by the backoff of holdfast/clock.h at the latest, and the caller looks again.
 *
 * Closing an inotify instance waits for the kernel, for ten or twenty milliseconds. Where a look is
 * cheap, looking more often than that is quicker: hf_file_watch_begin_often() does without an
 * instance.
 *
 *	hf_file_watch_begin(&await, dir, "x.lock", deadline, &err);
 *	while (is_there()) {
 *		hf_file_watch_process(&await, pid);
 *		if (!hf_file_watch_sleep(&await))
 *			…			(the deadline has passed)
 *	}
 *	hf_file_watch_end(&await);
 *
 * What happens between begin and sleep ends the sleep. A signal that is handled ends it too.
 * A crash leaves nothing. Not thread-safe; one thread at a time has a struct hf_file_watch.
 */

#include <holdfast/clock.h>

struct hf_file_watch {
	struct hf_backoff backoff;
	const char *name; /* borrowed */
	int notify, process; /* -1: none */
	int pid;
};

/* HF_USAGE: HOLDFAST_BACKOFF cannot be understood. */
enum hf_status hf_file_watch_begin(struct hf_file_watch *await, int dir, const char *name,
				   int64_t deadline, struct hf_err *err);

/* Without a directory to watch; sleeps of 10 ms at most. */
enum hf_status hf_file_watch_begin_often(struct hf_file_watch *await, int64_t deadline,
					 struct hf_err *err);

/* The process whose end ends the sleep; 0: none. */
void hf_file_watch_process(struct hf_file_watch *await, int pid);

/* false: the deadline has passed, and nothing was slept. */
bool hf_file_watch_sleep(struct hf_file_watch *await);

void hf_file_watch_end(struct hf_file_watch *await);

#endif
