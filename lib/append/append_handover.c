/* SPDX-License-Identifier: ISC */
#include "append/append_handover.h"

#include <errno.h>

#include <holdfast/clock.h>

void hf_handover_init(struct hf_handover *h, const struct hf_target *target,
		      const struct hf_wait *wait)
{
	*h = (struct hf_handover){.target = target,
				  .wait = *wait,
				  .limit = hf_time_left(wait->deadline),
				  .ticket.fd = -1};
}

/* The leader that has the record does not finish. */
static enum hf_status fail_unknown(const struct hf_handover *h, struct hf_err *err)
{
	char who[512];
	bool stopped = hf_ticket_leader(h->target, &h->ticket, who, sizeof(who));

	hf_fail(err, HF_UNKNOWN, "cannot tell whether '%s' has the record: it was taken by %s, %s",
		h->target->path, who, stopped ? "which is stopped" : "which has not finished");
	hf_advise(err,
		  "when that process has ended, look for the record at the end of '%s' before you "
		  "append it again",
		  h->target->path);
	return HF_UNKNOWN;
}

static enum hf_status fail_lost(const struct hf_handover *h, struct hf_err *err)
{
	hf_fail(err, HF_UNKNOWN,
		"cannot tell whether '%s' has the record: the process that had taken it died",
		h->target->path);
	hf_advise(err, "look for the record at the end of '%s' before you append it again",
		  h->target->path);
	return HF_UNKNOWN;
}

static enum hf_status finish_handover(struct hf_handover *h, enum hf_status status)
{
	h->settled = true;
	hf_ticket_close(&h->ticket);
	return status;
}

enum hf_status hf_handover_look(struct hf_handover *h, enum hf_ticket_end *end, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	*end = HF_TICKET_ABANDONED;
	if (h->ticket.fd < 0)
		return HF_NO;
	*end = hf_ticket_check(h->target, &h->ticket, &status);
	if (*end == HF_TICKET_ABANDONED)
		hf_ticket_close(&h->ticket);
	if (*end == HF_TICKET_LOST || (*end == HF_TICKET_DONE && status == HF_UNKNOWN))
		return finish_handover(h, fail_lost(h, err));
	if (*end != HF_TICKET_DONE)
		return HF_NO;
	if (status == HF_UNCERTAIN)
		hf_fail(err, status, "'%s' has the record, but may lose it in a power cut",
			h->target->path);
	return finish_handover(h, status);
}

/* A leader has the record: wait for its result, as long again as for the lock, unless it is
 * stopped. HF_AGAIN: it died, and a process that gets the lock can find the result. HF_NO: the
 * record is the submitter's. */
static enum hf_status await_leader(struct hf_handover *h, struct hf_err *err)
{
	struct hf_backoff backoff = {.base = HF_MS, .cap = 50 * HF_MS};
	enum hf_ticket_end end;
	enum hf_status status;
	char who[512];

	if (!h->longer)
		h->wait.deadline = hf_deadline_in(h->limit);
	backoff.deadline = h->wait.deadline;
	for (;;) {
		bool stopped = hf_ticket_leader(h->target, &h->ticket, who, sizeof(who));

		status = hf_handover_look(h, &end, err);
		if (h->settled || end == HF_TICKET_ABANDONED)
			return status;
		if (end == HF_TICKET_UNSETTLED && !h->longer) {
			h->longer = true;
			return HF_AGAIN;
		}
		if (end == HF_TICKET_UNSETTLED || stopped || !hf_backoff_sleep(&backoff))
			return finish_handover(h, fail_unknown(h, err));
	}
}

enum hf_status hf_handover_withdraw(struct hf_handover *h, enum hf_ticket_end end,
				    struct hf_err *err)
{
	if (end == HF_TICKET_ABANDONED)
		return HF_NO;
	if (end != HF_TICKET_OPEN || !hf_ticket_withdraw(h->target, &h->ticket))
		return await_leader(h, err);
	hf_ticket_close(&h->ticket);
	return HF_NO;
}

enum hf_status hf_handover_give_up(struct hf_handover *h, enum hf_status reason, struct hf_err *err)
{
	enum hf_ticket_end end;
	enum hf_status status;
	struct hf_err why;

	if (h->ticket.fd < 0)
		return reason;
	status = hf_handover_look(h, &end, &why);
	if (!h->settled)
		status = hf_handover_withdraw(h, end, &why);
	if (status == HF_NO)
		return reason;
	if (status != HF_OK && status != HF_AGAIN)
		*err = why;
	return status;
}
