/* SPDX-License-Identifier: ISC */
#ifndef HF_SPOOL_OWNER_H
#define HF_SPOOL_OWNER_H

/*
 * The submitter's side of a spool (README.md): hand a record over, and learn its result.
 *
 *	hf_spool_publish()		the ticket has the submitter's mark
 *	hf_ticket_check()		until the result is final
 *	hf_ticket_withdraw()		or: take the record back
 *	hf_ticket_close()
 *
 * A ticket is a descriptor, so it ends with the process; its record is then left out. Only
 * hf_spool_publish() and hf_ticket_withdraw() wait, for some 20 ms each. Thread-safe for different
 * tickets; not async-signal-safe.
 */

#include "spool/spool_file.h"

/* A record that was handed over. */
struct hf_ticket {
	const struct hf_target *target;
	int fd;		 /* -1: no record */
	uint64_t offset; /* of the record in the spool, and of the submitter's mark */
};

/* What a submitter can learn of its record. */
enum hf_ticket_end {
	HF_TICKET_OPEN,	     /* no leader has taken it */
	HF_TICKET_TAKEN,     /* a leader has it, and lives */
	HF_TICKET_UNSETTLED, /* its leader died: recover the batch and check again */
	HF_TICKET_DONE,	     /* appended: *status is the result */
	HF_TICKET_ABANDONED, /* not appended */
	HF_TICKET_LOST,	     /* cannot be known */
};

/* Hand the record over. Return HF_OK with the ticket, or HF_NO if it is not possible now: the
 * spool's flock is not free, the spool is not to be used, or permission or space is missing. Then
 * nothing was done. Blocks for some 20 ms at most. */
enum hf_status hf_spool_publish(const struct hf_target *target, int fd_of_target,
				const struct hf_append_record *record, struct hf_ticket *ticket);

/* Return what became of the record. Takes no lock and never waits. The ticket stays open. */
enum hf_ticket_end hf_ticket_check(const struct hf_ticket *ticket, enum hf_status *status);

/* Withdraw the record if the spool is OPEN; the last submitter that withdraws removes the spool, if
 * its flock is free soon. Return false if a leader may have the record. */
bool hf_ticket_withdraw(const struct hf_ticket *ticket);

/* Describe the process that has taken the record. Return true if it is stopped. */
bool hf_ticket_leader(const struct hf_ticket *ticket, char *out, size_t size);

/* Release the mark. Only under the target's lock, or when the result is final or the record
 * withdrawn. */
void hf_ticket_close(struct hf_ticket *ticket);

#endif
