/* SPDX-License-Identifier: ISC */
#ifndef HF_APPEND_HANDOVER_H
#define HF_APPEND_HANDOVER_H

/*
 * A record that was handed over, as its submitter sees it: what became of it, and how long to wait
 * for that. README.md has the rules.
 *
 *	hf_handover_init()
 *	each turn: set h->ticket by hf_spool_publish(), wait for the lock, hf_handover_check()
 *	before acting alone, and on failure: hf_handover_withdraw()
 *
 * Blocks to at most twice the limit of the wait, while a leader has the record. A process that
 * dies has withdrawn its record, unless a leader has taken it. Errors: HF_UNKNOWN if the result
 * cannot be known. One thread for each struct; not async-signal-safe.
 */

#include <holdfast/lock_wait.h>

#include "spool/spool_owner.h"

struct hf_handover {
	struct hf_wait wait;	 /* for the target's lock */
	int64_t limit;		 /* how long that may take */
	bool longer;		 /* the second period has begun */
	struct hf_ticket ticket; /* fd -1: no record is handed over */
};

void hf_handover_init(struct hf_handover *h, const struct hf_wait *wait);

/* Check the record. HF_TICKET_DONE: *status is the result of the append. HF_TICKET_ABANDONED: the
 * record is the submitter's, without a ticket. Otherwise *end of spool_owner.h. Never
 * HF_TICKET_LOST: that is HF_TICKET_DONE with HF_UNKNOWN. */
enum hf_ticket_end hf_handover_check(struct hf_handover *h, enum hf_status *status,
				     struct hf_err *err);

/* Take the record back. HF_TICKET_ABANDONED: it is the submitter's. HF_TICKET_DONE: a leader has
 * it, and *status is the result. HF_TICKET_UNSETTLED: its leader died, and a process that
 * acquires the target's lock can recover the batch. */
enum hf_ticket_end hf_handover_withdraw(struct hf_handover *h, enum hf_status *status,
					struct hf_err *err);

#endif
