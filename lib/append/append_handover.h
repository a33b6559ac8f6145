/* SPDX-License-Identifier: ISC */
#ifndef HF_HANDOVER_H
#define HF_HANDOVER_H

/*
 * A record that was handed over, from its owner's side: what became of it, and how long the owner
 * waits to learn that.
 *
 * An owner that gives up withdraws its record. If a leader has taken it, the owner must not give
 * up: its caller would append the record again. It then waits as long again as for the lock, while
 * that leader lives and runs. If the leader is stopped, or that time is over, the status is
 * HF_UNKNOWN, and the message names the leader. If the leader has died, whoever has the target's
 * lock can settle the batch.
 *
 * Blocks to twice the limit of the wait. Not async-signal-safe. Dying is giving up
 * (spool/spool_file.h).
 */

#include <holdfast/lock_wait.h>
#include "spool/spool_owner.h"

struct hf_handover {
	const struct hf_target *target;
	struct hf_wait wait;	 /* for the target's lock */
	int64_t limit;		 /* how long that is to be */
	bool longer;		 /* it is as long again */
	struct hf_ticket ticket; /* fd -1: nothing is handed over */
	bool settled;		 /* the end is known, or never will be */
};

/* Beside the statuses: nothing was done, take the next turn. */
#define HF_AGAIN ((enum hf_status) - 1)

void hf_handover_init(struct hf_handover *h, const struct hf_target *target,
		      const struct hf_wait *wait);

/* What became of the record? HF_NO: *end says what is to be done; after HF_TICKET_ABANDONED the
 * record is the owner's again, without a ticket. Anything else: it is settled, and this is the
 * status of the append. */
enum hf_status hf_handover_look(struct hf_handover *h, enum hf_ticket_end *end, struct hf_err *err);

/* After such a look: take the record back. HF_NO: it is the owner's. HF_AGAIN: its leader died, and
 * whoever gets the target's lock can settle the batch. Anything else as above. */
enum hf_status hf_handover_withdraw(struct hf_handover *h, enum hf_ticket_end end,
				    struct hf_err *err);

/* The append has failed, for the reason in err. If the record is still the owner's, that is the
 * result; if a leader has it, its end is. HF_AGAIN as above. */
enum hf_status hf_handover_give_up(struct hf_handover *h, enum hf_status reason,
				   struct hf_err *err);

#endif
