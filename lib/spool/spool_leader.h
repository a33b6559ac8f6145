/* SPDX-License-Identifier: ISC */
#ifndef HF_BATCH_H
#define HF_BATCH_H

/*
 * The leader's side of a spool (spool/spool_file.h has the protocol): taking it, going through its
 * records, and marking what became of them. Between taking and finishing, the leader's mark is
 * held; a leader that dies gives it back, and the batch is then settled by the next process
 * (spool/append_recovery.h).
 */

#include <holdfast/lock_wait.h>
#include "spool/spool_owner.h"

struct hf_batch {
	int fd;			 /* -1: none */
	const char *path;	 /* the target's, for messages */
	char name[NAME_MAX + 1]; /* its name beside the target, or "" */
	bool is_spool;		 /* that is still the spool's */
	struct hf_spool_head head;
};

/* Under the target's lock: close the open spool, and take the leader's mark. HF_NO: there is none
 * that can be used, or locked soon. */
enum hf_status hf_batch_take(const struct hf_target *target, int fd_of_target,
			     struct hf_batch *batch, struct hf_err *err);

/* Or make a batch without a spool before it, empty and without a batch's name. */
enum hf_status hf_batch_make(const struct hf_target *target, int fd_of_target,
			     const struct stat *target_st, struct hf_batch *batch,
			     struct hf_err *err);

/* Add one's own record to the batch. */
enum hf_status hf_batch_add(struct hf_batch *batch, const struct hf_append_record *record,
			    struct hf_err *err);

/* With all records in it: become the batch. HF_BUSY, errnum EEXIST: there is one that is unsettled
 * (P3), begin again. */
enum hf_status hf_batch_enter(const struct hf_target *target, int fd_of_target,
			      struct hf_batch *batch, struct hf_err *err);

/* The batch of this name that a leader left, or works on: its leader's mark is taken. HF_NO: there
 * is none, or what has the name is not to be used. HF_BUSY: its leader lives at the deadline.
 * HF_NOPERM: it is a trusted user's, and cannot be opened. HF_DATA, without a message: it is
 * damaged, and is open. */
enum hf_status hf_batch_open(const struct hf_target *target, struct hf_trust *trust,
			     const char *name, const struct hf_wait *wait, struct hf_batch *batch,
			     struct hf_err *err);

/* Leave out every record whose owner is gone. HF_DATA: it is damaged. */
enum hf_status hf_batch_judge(struct hf_batch *batch, struct hf_err *err);

/* Go through the records that are not left out: *at begins at 0 and is moved on; record lies in the
 * spool's file. HF_NO: no more. */
enum hf_status hf_batch_next(const struct hf_batch *batch, uint64_t *at,
			     struct hf_append_record *record, struct hf_err *err);

/* Write batch->head with this state. */
enum hf_status hf_batch_mark(struct hf_batch *batch, enum hf_spool_state state, struct hf_err *err);

/* Remove its name and give the mark back. false, with errno: the name stays, and is in the way of
 * the next batch (a sticky directory, and another user's). */
bool hf_batch_finish(const struct hf_target *target, struct hf_batch *batch);

/* Is the record in this batch? */
bool hf_ticket_in(const struct hf_ticket *ticket, const struct hf_batch *batch);

#endif
