/* SPDX-License-Identifier: ISC */
#ifndef HF_SPOOL_LEADER_H
#define HF_SPOOL_LEADER_H

/*
 * The leader's side of a spool: take it, go through its records, and mark the state of the batch.
 * The protocol is in README.md.
 *
 *	lead		hf_batch_take() or hf_batch_make(), hf_batch_judge(), hf_batch_add(),
 *			hf_batch_enter(), hf_batch_next() until HF_NO, hf_batch_mark(),
 *			hf_batch_finish()
 *	recover		hf_batch_open(), hf_batch_mark(), hf_batch_finish()
 *
 * From take, make or open until finish the process holds the leader's mark. If it dies, the kernel
 * releases the mark, and the next process recovers the batch (append_recovery.h). The caller holds
 * the target's lock. Only hf_batch_open() blocks, to its deadline. Errors: below, and
 * holdfast/err.h. One thread for each batch; not async-signal-safe.
 */

#include "spool/spool_owner.h"
#include <holdfast/lock_wait.h>

struct hf_batch {
	const struct hf_target *target;
	int fd;			 /* -1: no batch */
	char name[NAME_MAX + 1]; /* name beside the target, or "" */
	bool is_spool;		 /* name is still the spool's */
	struct hf_spool_head head;
};

/* Take the leader's mark of the open spool and mark it CLOSED. Return HF_NO if there is no usable
 * spool, or its flock is not free soon. */
enum hf_status hf_batch_take(const struct hf_target *target, int fd_of_target,
			     struct hf_batch *batch, struct hf_err *err);

/* Make an empty batch without a spool. It has no batch name yet. */
enum hf_status hf_batch_make(const struct hf_target *target, int fd_of_target,
			     struct hf_batch *batch, struct hf_err *err);

/* Add the leader's own record. */
enum hf_status hf_batch_add(struct hf_batch *batch, const struct hf_append_record *record,
			    struct hf_err *err);

/* Give the complete batch its name. Return HF_BUSY with errnum EEXIST if there is an unfinished
 * batch (append/P3): start again. */
enum hf_status hf_batch_enter(int fd_of_target, struct hf_batch *batch, struct hf_err *err);

/* Open the batch of this name and take its leader's mark. Return HF_NO if it is absent or not to be
 * used, HF_BUSY if its leader still lives at the deadline, HF_NOPERM if it is a trusted user's and
 * cannot be opened. Return HF_DATA, without a message and with the batch open, if it is damaged. */
enum hf_status hf_batch_open(const struct hf_target *target, struct hf_trust *trust,
			     const char *name, const struct hf_wait *wait, struct hf_batch *batch,
			     struct hf_err *err);

/* Leave out every record whose submitter has died or withdrawn it. Return HF_DATA if the batch is
 * damaged. */
enum hf_status hf_batch_judge(struct hf_batch *batch, struct hf_err *err);

/* Return the next record that is not left out, as a range of the spool's file. *at begins at 0.
 * Return HF_NO after the last one. */
enum hf_status hf_batch_next(const struct hf_batch *batch, uint64_t *at,
			     struct hf_append_record *record, struct hf_err *err);

/* Write batch->head with this state. */
enum hf_status hf_batch_mark(struct hf_batch *batch, enum hf_spool_state state, struct hf_err *err);

/* Remove the batch's name and release the mark. If the name cannot be removed (another user's file
 * in a sticky directory), the next batch takes another name. */
void hf_batch_finish(struct hf_batch *batch);

/* Release the mark; the name stays. Keep errno. */
void hf_batch_close(struct hf_batch *batch);

/* Return true if the ticket's record is in this batch. */
bool hf_ticket_in(const struct hf_ticket *ticket, const struct hf_batch *batch);

#endif
