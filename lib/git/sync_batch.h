/* SPDX-License-Identifier: ISC */
#ifndef HF_SYNC_BATCH_H
#define HF_SYNC_BATCH_H

/*
 * Several fsyncs at once: files and directories that must be durable before the next step.
 *
 *	hf_sync_batch_add()	for each file or directory
 *	hf_sync_batch_run()	sync all of them, in a few threads
 *
 * fsync(2) waits for a commit of the file system's journal and a flush of the disk's cache; calls
 * that wait at the same time share them. Until the run, nothing is durable. A crash leaves nothing.
 *
 * Not thread-safe; hf_sync_batch_run() makes threads and waits for them. They receive no signal
 * that the caller blocks; an interrupted fsync is repeated.
 */

#include <stddef.h>

#include <holdfast/err.h>

struct hf_sync_batch {
	struct hf_sync_batch_sync *at;
	size_t count;
};

/* Add fd, which is duplicated; the same file is synced once. what names it in messages and is
 * borrowed until the batch is run or discarded. HF_OS: out of memory or descriptors. */
enum hf_status hf_sync_batch_add(struct hf_sync_batch *due, int fd, const char *what,
				 struct hf_err *err);

/* The same, but fd is not duplicated: the caller keeps it open until then. For many at once. */
enum hf_status hf_sync_batch_lend(struct hf_sync_batch *due, int fd, const char *what,
				  struct hf_err *err);

/* Sync all of it. The batch is empty afterwards, also on failure. A failure is final: the kernel
 * marks the pages as clean. */
enum hf_status hf_sync_batch_run(struct hf_sync_batch *due, struct hf_err *err);

void hf_sync_batch_discard(struct hf_sync_batch *due);

#endif
