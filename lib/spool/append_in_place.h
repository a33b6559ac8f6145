/* SPDX-License-Identifier: ISC */
#ifndef HF_IN_PLACE_H
#define HF_IN_PLACE_H

/*
 * A batch written behind the target's end, with a way back.
 *
 * hf_append_in_place() makes the intent durable first (spool/spool_file.h, S4), then writes with
 * O_APPEND, then syncs. If anything fails it cuts off what it wrote: the old content is kept. A
 * reader, and a program that tails the file, may see a part of a record in the meantime.
 *
 * The target's lock and the batch's leader's mark are the caller's. Errors as in holdfast/err.h.
 * Not for two threads on one target.
 */

#include "spool/spool_leader.h"
#include <holdfast/path.h>

/* What lies in the file behind the batch's offset? TORN: no more than the batch, and every byte is
 * the batch's or, where a block's data did not reach the disk in a power cut, NUL. AMONG: the batch
 * is whole, and another program's bytes are before or behind it. */
enum hf_tail { HF_TAIL_TORN, HF_TAIL_WHOLE, HF_TAIL_AMONG, HF_TAIL_OTHER };

/* Append the batch's records to the target. HF_OK: durable (without sync: written), not yet DONE.
 * Otherwise the old content stands, unless HF_UNCERTAIN. HF_BUSY, errnum EEXIST: another program
 * has replaced the target. */
enum hf_status hf_append_in_place(const struct hf_target *target, const struct stat *st,
				  struct hf_batch *batch, bool sync, struct hf_err *err);

/* Write the batch's records to fd, at its offset: up to 8 MiB in one write. */
enum hf_status hf_write_records(const struct hf_batch *batch, int fd, const char *to,
				struct hf_err *err);

/* The target, if it still is this inode; -1 with errno, ESTALE if it is another one. */
int hf_in_place_open(const struct hf_target *target, const struct stat *wanted, int flags);

enum hf_status hf_in_place_compare(int fd, const struct hf_batch *batch, enum hf_tail *tail,
				   struct hf_err *err);

/* Bring the file back to what it was. The whole batch counts as a part of it here. Where it cannot
 * be cut off without another program's bytes, it stays: HF_BUSY. */
enum hf_status hf_in_place_cut(int fd, const struct hf_batch *batch, struct hf_err *err);

#endif
