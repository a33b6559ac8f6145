/* SPDX-License-Identifier: ISC */
#ifndef HF_SPOOL_H
#define HF_SPOOL_H

/*
 * The spool: where appenders that wait hand their records to the one that works.
 *
 * Group commit, as PostgreSQL's XLogFlush does it: whoever finds the file locked hands over its
 * record, waits for the lock, and then looks whether somebody has done its work; if not, it leads,
 * and works for all that wait. N waiting appends then cost about one rewrite.
 *
 * A spool is one file beside the target, made by the first who waits and gone with its batch:
 *
 *	.holdfast.NAME.spool	OPEN: records are added to it
 *	.holdfast.NAME.batch	a leader has taken it; it stays until what became of it is settled
 *
 *	 publish        take              mark                  mark
 *	  ┌──────┐ rename ┌────────┐ link .append ┌──────────┐ rename T, sync  ┌──────┐
 *	  │ OPEN │───────▶│ CLOSED │─────────────▶│ PREPARED │────────────────▶│ DONE │ unlink
 *	  └──────┘        └────────┘              └──────────┘                 └──────┘
 *	                      │   sync the spool  ┌──────────┐ write, sync        ▲
 *	                      ├──────────────────▶│ IN_PLACE │────────────────────┤
 *	                      ▼                   └──────────┘                    │
 *	                  ABANDONED (nothing was done: each owner does it himself) ┘ settle
 *
 * Locks on it:
 *	flock(2), exclusive: to add a record, to take the spool, to change its state, to withdraw.
 *		A leader holds it from taking to settling. Waiting for it ends, since adding is short and
 *		the leader's work ends or it dies.
 *	an OFD lock on the first byte of each record: held by its owner for as long as it lives and
 *		wants the record. A leader leaves out a record without this lock: its owner has died or
 *		given up, was told nothing, and may already have begun again elsewhere. So after a power
 *		cut, when every owner is dead, a spool that reappears is only litter.
 *
 * S1  A record is in the spool whole, or not at all: it is written under flock, and then the head is
 *     made to say that the spool ends behind it. What a writer that failed or died left behind that
 *     end is written over by the next.
 * S2  An owner gives up only by withdrawing under flock while the spool is OPEN. Afterwards the
 *     record is in a leader's hands, and only its end can be waited for.
 * S3  PREPARED is marked after the new file has its temporary name and before the rename. The rename takes the temporary name away, and nothing
 *     else does while the state is PREPARED: so a batch whose leader died is in the target exactly
 *     if the temporary name is gone. (Whoever removes the name marks ABANDONED first.)
 * S4  IN_PLACE is on disk (spool and directory synced) before the target is touched: it says where
 *     the records go, so that a torn tail can be recognised and cut off.
 * S5  DONE is marked after the target and its directory are synced, with the status that all owners
 *     then report; the spool's name goes before the lock does.
 *
 * The spool has the target's read and write permission bits: whoever could write the target could
 * also write here, and no one else. One that cannot be opened is not used: its owner waits his turn
 * alone. Thread-safe for different spools; not async-signal-safe. Signals: dying is giving up.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "path.h"

enum hf_spool_state {
	HF_SPOOL_OPEN = 1,
	HF_SPOOL_CLOSED,
	HF_SPOOL_PREPARED,
	HF_SPOOL_IN_PLACE,
	HF_SPOOL_DONE,
	HF_SPOOL_ABANDONED,
};

/* On disk, in the byte order of the machine: a spool never leaves it. */
struct hf_spool_head {
	char magic[8];
	uint32_t state;
	uint32_t status; /* DONE: what every owner reports */
	uint64_t end;	 /* of the last whole record in this file */
	uint64_t device, inode; /* IN_PLACE: the target */
	uint64_t offset; /* IN_PLACE: where in it the records go */
};

struct hf_spool_frame {
	uint32_t magic;
	uint32_t left_out; /* the leader found no owner: not in the batch */
	uint64_t size;	   /* of the record, which follows */
};

struct hf_spool {
	int fd; /* -1: none */
	struct hf_spool_head head;
};

/* A record: bytes in memory, or (data NULL) in a file from an offset. */
struct hf_record {
	const void *data;
	uint64_t size;
	int fd;
	uint64_t at;
};

/* Owner: a record that was handed over. */
struct hf_ticket {
	int fd; /* -1: none */
	uint64_t at;
};

/* A record larger than this is not handed over, and a spool larger than this takes no more. */
#define HF_SPOOL_RECORD ((uint64_t)256 << 10)
#define HF_SPOOL_BATCH ((uint64_t)8 << 20)

/* Hand the record over. HF_OK: ticket holds it. HF_NO: not possible now (somebody stands in the
 * way, no O_TMPFILE, no permission, no space): nothing was done. Blocks for some 20 ms at most. */
enum hf_status hf_spool_publish(const struct hf_target *target, const struct stat *target_st,
				const struct hf_record *record, struct hf_ticket *ticket);

/* What became of the record? Takes the spool's flock (and so waits for a leader at work), and gives
 * it back. *state is OPEN (nobody has taken it), PREPARED or IN_PLACE (its leader died: settle the
 * batch and look again), DONE with *status, or ABANDONED (nothing was done; also for a leader that
 * died before, and for a record that was left out). withdraw takes a record in an OPEN spool back.
 * The ticket stays open. */
enum hf_status hf_ticket_look(struct hf_ticket *ticket, bool withdraw, enum hf_spool_state *state,
			      enum hf_status *status, struct hf_err *err);

/* Is the record in this batch? */
bool hf_ticket_in(const struct hf_ticket *ticket, const struct hf_spool *batch);

/* Gives the ownership up. Under the target's lock, or when the record is settled or withdrawn. */
void hf_ticket_close(struct hf_ticket *ticket);

/* Leader, under the target's lock and with no batch unsettled: make the open spool the batch. HF_OK:
 * its flock is held, and it is CLOSED. HF_NO: there is none that can be had; with patient, a busy
 * one is waited for. HF_BUSY: there is an unsettled batch after all. */
enum hf_status hf_spool_take(const struct hf_target *target, bool patient, struct hf_spool *spool,
			     struct hf_err *err);

/* Leader: make a batch without a spool before it, empty. HF_BUSY: there is a batch already. */
enum hf_status hf_spool_make_batch(const struct hf_target *target, const struct stat *target_st,
				   struct hf_spool *spool, struct hf_err *err);

/* Leader: add one's own record to the batch. */
enum hf_status hf_spool_add(struct hf_spool *spool, const struct hf_record *record,
			    struct hf_err *err);

/* The batch that somebody left, or works on: its flock is taken (waits). HF_NO: there is none. */
enum hf_status hf_spool_open_batch(const struct hf_target *target, struct hf_spool *spool,
				   struct hf_err *err);

/* Leader: leave out every record whose owner is gone. */
enum hf_status hf_spool_judge(struct hf_spool *spool, struct hf_err *err);

/* Go through the records that are not left out: *at begins at 0 and is moved on; record lies in the
 * spool's file. HF_NO: no more. */
enum hf_status hf_spool_next(const struct hf_spool *spool, uint64_t *at, struct hf_record *record,
			     struct hf_err *err);

/* Write spool->head with this state. */
enum hf_status hf_spool_mark(struct hf_spool *spool, enum hf_spool_state state, struct hf_err *err);

/* Remove the batch's name and give the lock back. Keeps errno. */
void hf_spool_finish(const struct hf_target *target, struct hf_spool *spool);

#endif
