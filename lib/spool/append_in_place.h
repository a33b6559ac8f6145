/* SPDX-License-Identifier: ISC */
#ifndef HF_IN_PLACE_H
#define HF_IN_PLACE_H

/*
 * Write a batch at the end of the target, with a way back.
 *
 *	hf_batch_take() or hf_batch_make(), hf_append_in_place(), hf_batch_mark(), hf_batch_finish()
 *
 * hf_append_in_place() makes the intent durable (spool/S4), writes with O_APPEND, and syncs. If a
 * step fails, it cuts off what it wrote. A reader can see a part of a record in the meantime. A
 * crash leaves at most a torn tail, which append_recovery.h cuts off. The caller holds the
 * target's lock and the leader's mark. Never waits. Errors as in holdfast/err.h. Not for two
 * threads on one target.
 */

#include "spool/spool_leader.h"
#include <holdfast/path.h>

/* What the file has from the batch's offset on. TORN: at most the batch's bytes, each equal to the
 * batch's, or NUL where a block did not reach the disk in a power cut. WHOLE: the batch. AMONG: the
 * whole batch, with another program's bytes before or after it. OTHER: anything else. */
enum hf_tail { HF_TAIL_TORN, HF_TAIL_WHOLE, HF_TAIL_AMONG, HF_TAIL_OTHER };

/* Append the batch's records to the target, whose locked state is st. Return HF_OK if they are
 * durable (without sync: written); the state is not DONE yet. On any other status but HF_UNCERTAIN
 * the old content is kept. HF_BUSY with errnum EEXIST: another program has replaced the target. */
enum hf_status hf_append_in_place(const struct stat *st, struct hf_batch *batch, bool sync,
				  struct hf_err *err);

/* Write the batch's records to fd, at its file offset, up to 8 MiB in one write. */
enum hf_status hf_write_records(const struct hf_batch *batch, int fd, struct hf_err *err);

/* Open the target if it still is this inode. Return -1 with errno, ESTALE if it is another one. */
int hf_in_place_open(const struct hf_target *target, const struct stat *wanted, int flags);

enum hf_status hf_in_place_compare(int fd, const struct hf_batch *batch, enum hf_tail *tail,
				   struct hf_err *err);

/* Cut the batch off, also a whole one. Return HF_BUSY if that would cut off another program's
 * bytes. */
enum hf_status hf_in_place_cut(int fd, const struct hf_batch *batch, struct hf_err *err);

#endif
