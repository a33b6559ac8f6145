/* SPDX-License-Identifier: ISC */
#ifndef HF_DUE_H
#define HF_DUE_H

/*
 * Syncs that are due: descriptors whose files, or directories, must be on the disk before some next
 * step, and may go there together.
 *
 * fsync(2) of a file that is new, or of a directory, waits for a commit of the file system's
 * journal and for a flush of the disk's cache. One after the other, each waits for its own; those
 * that wait at the same time share them. So what must be durable is gathered, and settled in one
 * go, just before the step that relies on it, by a few threads.
 *
 * Between add and settle nothing is promised of these. A crash leaves nothing. Not thread-safe;
 * settle makes threads of its own, and waits for them. Signals: those threads take none that the
 * caller blocks; an fsync that is interrupted is made again.
 */

#include <stddef.h>

#include <holdfast/err.h>

struct hf_sync_batch {
	struct hf_sync_batch_sync *at;
	size_t count;
};

/* fd is duplicated; the same file or directory is synced once. what names it in messages, and is
 * borrowed until it is settled or dropped. HF_OS: no memory, or no descriptor. */
enum hf_status hf_sync_batch_add(struct hf_sync_batch *due, int fd, const char *what,
				 struct hf_err *err);

/* The same, but fd is the caller's, who keeps it open until then: for many at once. */
enum hf_status hf_sync_batch_lend(struct hf_sync_batch *due, int fd, const char *what,
				  struct hf_err *err);

/* All of it is durable; nothing is due any more, whatever is returned. A failure is final: the
 * kernel takes the pages for clean from then on. */
enum hf_status hf_sync_batch_run(struct hf_sync_batch *due, struct hf_err *err);

void hf_sync_batch_discard(struct hf_sync_batch *due);

#endif
