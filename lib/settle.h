/* SPDX-License-Identifier: ISC */
#ifndef HF_SETTLE_H
#define HF_SETTLE_H

/*
 * Batches in the target's place: writing one behind the target's end with a way back, and bringing
 * what a dead leader left to its end.
 *
 * hf_settle() is what every leader does first. It goes forward or back, never halfway, by what the
 * batch says (spool_file.h):
 *
 *	OPEN, CLOSED	nothing was done: ABANDONED; a temporary name without a mark is removed
 *	PREPARED	the temporary name is there: ABANDONED, and then it is removed
 *			it is gone: the rename happened, so sync the directory: DONE; but if the
 *			  target is the inode that it was, a stranger removed the name: ABANDONED
 *	IN_PLACE	what lies in the target from the offset on is
 *			the whole batch: sync the target: DONE
 *			a proper prefix of it: a torn tail; cut it off, sync: ABANDONED
 *			anything else: somebody else's; it is left alone. If the batch is in it,
 *			  whole, DONE, else ABANDONED
 *			Is the target another one by now, the one that it was may have another name
 *			in the directory (a log that was rotated): that is looked at, and left alone
 *	DONE, ABANDONED	only the name is left
 *	no batch	a temporary name that a power cut left without it is removed
 *
 * It is idempotent: killed at any point, the next one does it again.
 *
 * hf_write_in_place() makes the intent durable first (S4), then writes with O_APPEND, then syncs.
 * If anything fails it cuts off what it wrote: the old content is kept. Readers, and who tails the
 * file, may see a part of a record meanwhile; only the end promises something.
 *
 * Both need the target's lock and the batch's. Errors as in err.h. Not for two threads on one
 * target.
 */

#include "batch.h"
#include "path.h"

/* st is the target's, as locked; NULL where the target is absent. HF_OK: no batch is left. */
enum hf_status hf_settle(const struct hf_target *target, const struct stat *st,
			 const struct hf_wait *wait, struct hf_err *err);

/* Append the batch's records to the target. HF_OK: durable (without sync: written), not yet DONE.
 * Otherwise the old content stands, unless HF_UNCERTAIN. */
enum hf_status hf_write_in_place(const struct hf_target *target, const struct stat *st,
				 struct hf_batch *batch, bool sync, struct hf_err *err);

/* Write the batch's records to fd, at its offset: up to 8 MiB in one write. */
enum hf_status hf_write_records(const struct hf_batch *batch, int fd, const char *to,
				struct hf_err *err);

#endif
