/* SPDX-License-Identifier: ISC */
#ifndef HF_SPOOL_FILE_H
#define HF_SPOOL_FILE_H

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
 *	 publish  take  ┌────────┐ enter, link ┌──────────┐ rename, sync  ┌──────┐
 *	 ┌──────┐──────▶│ CLOSED │────────────▶│ PREPARED │──────────────▶│ DONE │ unlink
 *	 │ OPEN │       └────────┘             └──────────┘               └──────┘
 *	 └──────┘            │ mark, sync,     ┌──────────┐ write, sync       ▲
 *	                     └────────────────▶│ IN_PLACE │───────────────────┘
 *	                       enter, sync     └──────────┘
 *
 *	from any of them: ABANDONED, nothing was done, and each owner does it himself
 *
 * Three rooms: this one has the file itself, its format and its locks; spool.h is the owners' side,
 * batch.h the leader's.
 *
 * Locks on it:
 *	flock(2), exclusive: to add a record, to take the spool, to change its state, to withdraw.
 *		A leader holds it from taking to settling, and keeps the lock of the target, old
 *		and new, as long. An adder holds it for microseconds, or is stopped: where it is
 *		not to be had soon, the record is taken back (S6), and only a leader's end is
 *		waited for.
 *	an OFD lock on the first byte of each record: held by its owner for as long as it lives
 *		and wants the record. A leader leaves out a record without this lock: its owner has
 *		died or given up, was told nothing, and may already have begun again elsewhere. So
 *		after a power cut, when every owner is dead, a spool that reappears is only litter.
 *
 * S1  A record is in the spool whole, or not at all: it is written under flock, and then the head
 *     is made to say that the spool ends behind it. What a writer that failed or died left behind
 *     that end is written over by the next.
 * S2  An owner gives up only by withdrawing, under flock while the spool is OPEN, or as S6 says.
 *     Afterwards the record is in a leader's hands, and only its end can be waited for.
 * S3  PREPARED is marked after the new file has its temporary name and before the rename. The
 *     rename takes the temporary name away, and nothing of ours else does while the state is
 *     PREPARED: so a batch whose leader died is in the target exactly if the temporary name is
 *     gone. (Whoever removes the name marks ABANDONED first.) Where a stranger has removed it, the
 *     target is still the inode that it was, and the batch is not in it.
 * S4  IN_PLACE is on disk before the target is touched: it says where the records go, so that a
 *     torn tail can be recognised and cut off. It is marked and synced before the spool becomes
 *     the batch, so that a batch on disk is never one that has yet to say what it is.
 * S5  DONE is marked after the target and its directory are synced, with the status that all
 *     owners then report; the spool's name goes before the lock does.
 * S6  A leader marks CLOSED before it looks for owners. So an owner that gives up its OFD lock and
 *     then finds the spool OPEN is in no batch.
 *
 * The spool has the target's read and write permission bits and ACL: whoever could write the target
 * could also write here, and no one else. One that cannot be opened is not used: its owner waits
 * his turn alone. Thread-safe for different spools; not async-signal-safe. Signals: dying is giving
 * up.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "input.h"
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
	uint64_t inode;	 /* the target as it was. Its device has another number after a boot */
	uint64_t offset; /* IN_PLACE: where in it the records go */
};

#define HF_SPOOL_FRAME_MAGIC UINT32_C(0x4d415246)

struct hf_spool_frame {
	uint32_t magic;
	uint32_t left_out; /* the leader found no owner: not in the batch */
	uint64_t size;	   /* of the record, which follows */
};

/* A spool larger than this takes no more records. */
#define HF_SPOOL_FULL ((uint64_t)8 << 20)

/*
 * What both sides are made of. -1 and false leave errno.
 */

/* The target's ".holdfast.NAME.WHAT", a regular file, for reading and writing; not followed. */
int hf_spool_open_named(const struct hf_target *target, const char *what);

/* An unnamed spool with the target's owner, permission bits and ACL. */
int hf_spool_create(const struct hf_target *target, int fd_of_target, const struct stat *target_st);

/* Name an unnamed one. HF_NO: the name is taken. */
enum hf_status hf_spool_name(const struct hf_target *target, int fd, const char *what);

struct hf_spool_head hf_spool_new_head(enum hf_spool_state state);
/* -1 with errno: it cannot be read, or (errno 0) is none. */
int hf_spool_read_head(int fd, struct hf_spool_head *head);
bool hf_spool_write_head(int fd, const struct hf_spool_head *head);

/* flock(2): until it is had; or for some 20 ms, since whoever holds it holds it for microseconds,
 * or is a leader, or is stopped. */
int hf_spool_lock(int fd);
bool hf_spool_lock_soon(int fd);

int hf_spool_unlock(int fd);

/* The owner's mark on the record at this place: set or cleared (F_WRLCK, F_UNLCK); looked for: 1,
 * 0, or -1 where that cannot be known. */
bool hf_spool_own(int fd, uint64_t at, short type);
int hf_spool_has_owner(int fd, uint64_t at);

/* Write the record as a frame at head->end, and then the head that counts it. S1. */
bool hf_spool_put(int fd, struct hf_spool_head *head, const struct hf_record *record);

/* The frame at *at, which is moved to the first where it is 0. HF_NO: the end. HF_IO, with errno:
 * it cannot be read. HF_DATA: damaged. */
enum hf_status hf_spool_frame_at(int fd, const struct hf_spool_head *head, uint64_t *at,
				 struct hf_spool_frame *frame);

#endif
