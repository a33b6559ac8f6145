/* SPDX-License-Identifier: ISC */
#ifndef HF_HANDOVER_H
#define HF_HANDOVER_H

/*
 * A record that was handed over, as its submitter sees it: what became of it, and how long to wait
 * for that. README.md has the rules.
 *
 *	hf_handover_init()
 *	each turn: set h->ticket by hf_spool_publish(), wait for the lock, hf_handover_look()
 *	on failure: hf_handover_give_up(); before acting alone: hf_handover_withdraw()
 *
 * Blocks to at most twice the limit of the wait, while a leader has the record. A process that
 * dies has withdrawn its record, unless a leader has taken it. Errors: HF_UNKNOWN if the result
 * cannot be known. One thread for each struct; not async-signal-safe.
 */

#include <holdfast/lock_wait.h>
#include "spool/spool_owner.h"

struct hf_handover {
	const struct hf_target *target;
	struct hf_wait wait;	 /* for the target's lock */
	int64_t limit;		 /* how long that may take */
	bool longer;		 /* the second period has begun */
	struct hf_ticket ticket; /* fd -1: no record is handed over */
	bool settled;		 /* the result is known, or never will be */
};

/* Not a status of the library: nothing was done, take the next turn. */
#define HF_AGAIN ((enum hf_status) - 1)

void hf_handover_init(struct hf_handover *h, const struct hf_target *target,
		      const struct hf_wait *wait);

/* Check the record. HF_NO: *end says what is to be done; after HF_TICKET_ABANDONED the record is
 * the submitter's again, without a ticket. Any other status is the result of the append, and
 * settled is set. */
enum hf_status hf_handover_look(struct hf_handover *h, enum hf_ticket_end *end, struct hf_err *err);

/* After such a check: take the record back. HF_NO: it is the submitter's. HF_AGAIN: its leader
 * died, and a process that gets the target's lock can recover the batch. Any other status as above.
 */
enum hf_status hf_handover_withdraw(struct hf_handover *h, enum hf_ticket_end end,
				    struct hf_err *err);

/* The append has failed, for the reason in err. Return that reason if the record is still the
 * submitter's, or the leader's result if a leader has it. HF_AGAIN as above. */
enum hf_status hf_handover_give_up(struct hf_handover *h, enum hf_status reason,
				   struct hf_err *err);

#endif
