/* SPDX-License-Identifier: ISC */
#ifndef HF_SPOOL_H
#define HF_SPOOL_H

/*
 * The owners' side of a spool (spool/spool_file.h has the protocol): handing a record over, and
 * learning its end. A ticket is the spool's descriptor, which bears the owner's mark, and so ends
 * with its process.
 */

#include "spool/spool_file.h"

/* Owner: a record that was handed over. */
struct hf_ticket {
	int fd; /* -1: none */
	uint64_t at;
};

/* What an owner can learn of its record. */
enum hf_ticket_end {
	HF_TICKET_OPEN,	     /* no leader has taken it */
	HF_TICKET_TAKEN,     /* a leader has it, and lives */
	HF_TICKET_UNSETTLED, /* its leader died: settle the batch, and look again */
	HF_TICKET_DONE,	     /* appended: *status is the append's */
	HF_TICKET_ABANDONED, /* it was not appended */
	HF_TICKET_LOST,	     /* it cannot be known */
};

/* Hand the record over. HF_OK: ticket holds it. HF_NO: not possible now (another process holds the
 * spool's lock, the spool is not to be used, no permission, no space): nothing was done. Blocks for
 * some 20 ms at most. */
enum hf_status hf_spool_publish(const struct hf_target *target, int fd_of_target,
				const struct stat *target_st, const struct hf_append_record *record,
				struct hf_ticket *ticket);

/* Takes no lock, and waits for nothing. The ticket stays open. */
enum hf_ticket_end hf_ticket_check(const struct hf_target *target, const struct hf_ticket *ticket,
				   enum hf_status *status);

/* Take the record back, if the spool is OPEN; the last owner that does so removes the spool. false:
 * a leader may have it. */
bool hf_ticket_withdraw(const struct hf_target *target, const struct hf_ticket *ticket);

/* The same without any lock, and the spool stays: for a record in a spool that the caller cannot
 * take itself. */
bool hf_ticket_take_back(const struct hf_target *target, const struct hf_ticket *ticket);

/* The process that has taken the record, in words, into out. Return true if it is stopped. */
bool hf_ticket_leader(const struct hf_target *target, const struct hf_ticket *ticket, char *out,
		      size_t size);

/* Gives the ownership up. Under the target's lock, or when the record is settled or withdrawn. */
void hf_ticket_close(struct hf_ticket *ticket);

#endif
