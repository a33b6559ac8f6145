/* SPDX-License-Identifier: ISC */
#include "append/append_handover.h"

#include <holdfast/clock.h>

void hf_handover_init(struct hf_handover *h, const struct hf_wait *wait)
{
	*h = (struct hf_handover){
		.wait = *wait, .limit = hf_time_left(wait->deadline), .ticket.fd = -1};
}

/* The result cannot be known, as err says. */
static enum hf_ticket_end end_unknown(struct hf_handover *h, const char *when,
				      enum hf_status *status, struct hf_err *err)
{
	hf_advise(err, "%scheck the end of '%s' for the record before you append it again", when,
		  h->ticket.target->path);
	hf_ticket_close(&h->ticket);
	*status = HF_UNKNOWN;
	return HF_TICKET_DONE;
}

enum hf_ticket_end hf_handover_check(struct hf_handover *h, enum hf_status *status,
				     struct hf_err *err)
{
	enum hf_ticket_end end = HF_TICKET_ABANDONED;

	*status = HF_OK;
	if (h->ticket.fd < 0)
		return end;
	end = hf_ticket_check(&h->ticket, status);
	if (end == HF_TICKET_LOST || (end == HF_TICKET_DONE && *status == HF_UNKNOWN)) {
		hf_fail(err, HF_UNKNOWN,
			"cannot tell whether '%s' has the record: the process that had taken it "
			"died",
			h->ticket.target->path);
		return end_unknown(h, "", status, err);
	}
	if (end == HF_TICKET_DONE && *status == HF_UNCERTAIN)
		hf_fail(err, HF_UNCERTAIN, "'%s' has the record, but may lose it in a power cut",
			h->ticket.target->path);
	if (end == HF_TICKET_DONE || end == HF_TICKET_ABANDONED)
		hf_ticket_close(&h->ticket);
	return end;
}

/* A leader has the record: wait for its result, as long again as for the lock, unless the leader
 * is stopped. Give a dead leader's batch one chance of recovery. */
static enum hf_ticket_end await_leader(struct hf_handover *h, enum hf_status *status,
				       struct hf_err *err)
{
	struct hf_backoff backoff = {.base = HF_MS, .cap = 50 * HF_MS};
	char leader[512];
	enum hf_ticket_end end;
	bool stopped;

	if (!h->longer)
		h->wait.deadline = hf_deadline_in(h->limit);
	backoff.deadline = h->wait.deadline;
	do {
		stopped = hf_ticket_leader(&h->ticket, leader, sizeof(leader));
		end = hf_handover_check(h, status, err);
		if (end == HF_TICKET_DONE || end == HF_TICKET_ABANDONED)
			return end;
		if (end == HF_TICKET_UNSETTLED && !h->longer) {
			h->longer = true;
			return end;
		}
	} while (end != HF_TICKET_UNSETTLED && !stopped && hf_backoff_sleep(&backoff));
	hf_fail(err, HF_UNKNOWN, "cannot tell whether '%s' has the record: it was taken by %s, %s",
		h->ticket.target->path, leader,
		stopped ? "which is stopped" : "which has not finished");
	return end_unknown(h, "when that process has exited, ", status, err);
}

enum hf_ticket_end hf_handover_withdraw(struct hf_handover *h, enum hf_status *status,
					struct hf_err *err)
{
	enum hf_ticket_end end = hf_handover_check(h, status, err);

	if (end == HF_TICKET_DONE || end == HF_TICKET_ABANDONED)
		return end;
	if (end != HF_TICKET_OPEN || !hf_ticket_withdraw(&h->ticket))
		return await_leader(h, status, err);
	hf_ticket_close(&h->ticket);
	return HF_TICKET_ABANDONED;
}
