/* SPDX-License-Identifier: ISC */
#ifndef HF_SPOOL_H
#define HF_SPOOL_H

/*
 * The owners' side of a spool (spool_file.h has the protocol): handing a record over, and learning
 * what became of it. A ticket is the spool's descriptor, which bears the owner's mark, and so ends
 * with its process.
 */

#include "spool_file.h"

/* Owner: a record that was handed over. */
struct hf_ticket {
	int fd; /* -1: none */
	uint64_t at;
};

/* Hand the record over. HF_OK: ticket holds it. HF_NO: not possible now (somebody stands in the
 * way, no O_TMPFILE, no permission, no space): nothing was done. Blocks for some 20 ms at most. */
enum hf_status hf_spool_publish(const struct hf_target *target, int fd_of_target,
				const struct stat *target_st, const struct hf_record *record,
				struct hf_ticket *ticket);

/* What became of the record? Takes the spool's flock (and so waits for a leader at work), and gives
 * it back. *state is OPEN (nobody has taken it), PREPARED or IN_PLACE (its leader died: settle the
 * batch and look again), DONE with *status, or ABANDONED (nothing was done; also for a leader that
 * died before, and for a record that was left out). withdraw takes a record in an OPEN spool back,
 * and the last to do so removes the spool. HF_BUSY: somebody who is no leader keeps the lock, and
 * the record was taken back. HF_NO: it cannot be known (its leader died in the middle, and
 * the batch has lost its name). The ticket stays open. */
enum hf_status hf_ticket_look(const struct hf_target *target, struct hf_ticket *ticket,
			      bool withdraw, enum hf_spool_state *state, enum hf_status *status);

/* Take the record back without the spool's lock, which somebody keeps (a process that was stopped
 * while it added): true, if it is in nobody's batch. A leader marks the spool before it looks for
 * owners, so one that comes later leaves the record out. */
bool hf_ticket_take_back(const struct hf_ticket *ticket);

/* Gives the ownership up. Under the target's lock, or when the record is settled or withdrawn. */
void hf_ticket_close(struct hf_ticket *ticket);

#endif
