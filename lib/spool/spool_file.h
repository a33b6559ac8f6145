/* SPDX-License-Identifier: ISC */
#ifndef HF_SPOOL_FILE_H
#define HF_SPOOL_FILE_H

/*
 * The spool: the file in which waiting appenders hand their records to the appender that works.
 *
 * Group commit, as PostgreSQL's XLogFlush does it: an appender that finds the target locked hands
 * over its record, waits for the lock, and then checks whether another process has appended the
 * record. If not, it leads: it appends the records of all that wait. N waiting appends then cost
 * about one rewrite.
 *
 * A spool is one file beside the target. The first appender that waits makes it; it is removed when
 * its records are settled.
 *
 *	.holdfast.NAME.spool	OPEN: records are added to it
 *	.holdfast.NAME.batch	a leader has taken it; it stays until the batch is settled
 *
 *	 publish  take  ┌────────┐ enter, link ┌──────────┐ rename, sync  ┌──────┐
 *	 ┌──────┐──────▶│ CLOSED │────────────▶│ PREPARED │──────────────▶│ DONE │ unlink
 *	 │ OPEN │       └────────┘             └──────────┘               └──────┘
 *	 └──────┘            │ mark, sync,     ┌──────────┐ write, sync       ▲
 *	                     └────────────────▶│ IN_PLACE │───────────────────┘
 *	                       enter, sync     └──────────┘
 *
 *	from each of them: ABANDONED, nothing was done, and each owner appends its record itself
 *
 * DONE and ABANDONED are final. DONE has the status that each owner reports: HF_OK, HF_UNCERTAIN,
 * or HF_UNKNOWN if nothing can tell whether the batch is in the target.
 *
 * Three modules: this one has the file, its format and its locks; spool/spool_owner.h is the
 * owners' side, spool/spool_leader.h the leader's.
 *
 * Locks on it:
 *	flock(2), exclusive: to add a record, to take the spool, and to remove one without owners.
 *		A process holds it for microseconds, unless it is stopped. Another one that does not
 *		get it soon does without: an appender waits its turn alone, a leader leads alone, an
 *		owner takes its record back as S6 says.
 *	the leader's mark, an OFD lock on the first byte: held from before CLOSED until the state is
 *		final, or the leader has died. Also by a process that settles a dead leader's batch.
 *	an owner's mark, an OFD lock on the first byte of its record: held by the owner as long as
 *		it lives and wants the record. A leader leaves out a record without this mark: its
 *		owner has died or given up, and may have begun again elsewhere. So after a power
 *		cut, when every owner is dead, a spool that reappears is a leftover.
 *
 * S1  A record is in the spool whole, or not at all: it is written under flock, and then the head
 *     is made to say that the spool ends behind it. A writer that failed or died leaves bytes after
 *     that end, which the next one overwrites.
 * S2  An owner gives up only by withdrawing its record while the spool is OPEN. Afterwards a leader
 *     has the record, and the owner can only learn its end. It learns it without any lock: the head
 *     is written by one call and has a checksum, so that a half-written one is read again. A
 *     process that holds a lock on the spool, or is stopped, therefore keeps no owner waiting.
 * S3  PREPARED is marked after the new file has its temporary name and before the rename, and says
 *     which file (base/file_id.h) the target was and which one is to replace it. The batch is in
 *     the target exactly if the target is the new file. If it is neither, another program has
 *     replaced it: then the batch is in if the new file has another name in the directory, it is
 *     not in if the new file still has its temporary name, and otherwise nothing can tell.
 * S4  IN_PLACE is on disk before the target is touched: it says where the records go, and in which
 *     file, so that a torn tail can be recognised and cut off. It is marked and synced before the
 *     spool becomes the batch, so that a batch on disk is never one that has yet to say what it is.
 * S5  DONE is marked after the target and its directory are synced. The spool's name goes before
 *     the leader's mark does.
 * S6  A leader marks CLOSED before it looks for owners' marks. So an owner that takes its mark away
 *     and then finds the spool OPEN is in no batch.
 * S7  Only users who may both read and write the target can open its spool, and a spool is used
 * only
 *     if it comes from such a user (base/side_file.h). What it says is checked all the same: the
 *     head by its checksum, each size and offset against the file's size, and the target's name, so
 *     that a file moved to this name is not believed. A damaged spool or batch is removed.
 * S8  Where a fixed name is taken by something else, a batch has a name with a number
 * (base/side_file.h),
 *     and so has the new file; a spool is then done without.
 *
 * Thread-safe for different spools; not async-signal-safe. Signals: dying is giving up.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/file_id.h"
#include <holdfast/input.h>
#include <holdfast/path.h>
#include "base/side_file.h"

enum hf_spool_state {
	HF_SPOOL_OPEN = 1,
	HF_SPOOL_CLOSED,
	HF_SPOOL_PREPARED,
	HF_SPOOL_IN_PLACE,
	HF_SPOOL_DONE,
	HF_SPOOL_ABANDONED,
};

static inline bool hf_spool_is_final(enum hf_spool_state state)
{
	return state == HF_SPOOL_DONE || state == HF_SPOOL_ABANDONED;
}

/* A process, for a message to name and to find stopped. As long as it holds the leader's mark, no
 * other process can have its PID. */
struct hf_spool_leader {
	int32_t pid;
	uint32_t unused;
	uint64_t pidns; /* as in base/process_id.h; 0: not known */
};

/* On disk, in the byte order of the machine: a spool of another one is damaged (S7). */
struct hf_spool_head {
	char magic[8];
	uint32_t state;
	uint32_t status; /* DONE: what every owner reports */
	uint64_t end;	 /* of the last whole record in this file */
	uint64_t name;	 /* a hash of the target's name */
	uint64_t offset; /* IN_PLACE: where in the target the records go */
	/* PREPARED: of the new file's temporary name, ".append" (base/side_file.h) */
	uint32_t number;
	uint32_t unused;
	struct hf_file_id target, fresh; /* the target as it was; PREPARED: the new file */
	struct hf_spool_leader leader;	 /* CLOSED and later */
	uint64_t check;
};

#define HF_SPOOL_FRAME_MAGIC UINT32_C(0x4d415246)

struct hf_spool_frame {
	uint32_t magic;
	uint32_t left_out; /* the leader found no owner: not in the batch */
	uint64_t size;	   /* of the record, which follows */
};

/* A spool larger than this takes no more records. */
#define HF_SPOOL_FULL ((uint64_t)8 << 20)

/* Where the leader's mark is. An owner's is at its record. */
#define HF_SPOOL_LEADER UINT64_C(0)

/*
 * What both sides are made of. -1 and false leave errno.
 */

/* A new spool, which is the caller's alone until it is named; staged is "" or the name that it has
 * so far. It has the target's owner and group, and lets those open it who may read and write the
 * target (S7). */
int hf_spool_create(const struct hf_target *target, int fd_of_target, const struct stat *target_st,
		    char staged[NAME_MAX + 1]);

/* Name a new one. HF_NO: the name is taken. */
enum hf_status hf_spool_name(const struct hf_target *target, int fd, const char *staged,
			     const char *name, struct hf_err *err);

struct hf_spool_head hf_spool_new_head(const struct hf_target *target, enum hf_spool_state state);
/* -1 with errno: it cannot be read, or (errno 0) is damaged, or not this target's. */
int hf_spool_read_head(const struct hf_target *target, int fd, struct hf_spool_head *head);
bool hf_spool_write_head(int fd, struct hf_spool_head *head);

/* flock(2), tried for some 20 ms. */
bool hf_spool_lock_soon(int fd);
int hf_spool_unlock(int fd);

/* The mark at this place: set or cleared (F_WRLCK, F_UNLCK); looked for: 1, 0, or -1 where that
 * cannot be known. */
bool hf_spool_mark(int fd, uint64_t at, short type);
int hf_spool_is_marked(int fd, uint64_t at);

/* Write the record as a frame at head->end, and then the head that counts it. S1. */
bool hf_spool_put(int fd, struct hf_spool_head *head, const struct hf_append_record *record);

/* The frame at *at, which is moved to the first where it is 0. HF_NO: the end. HF_IO, with errno:
 * it cannot be read. HF_DATA: damaged. */
enum hf_status hf_spool_frame_at(int fd, const struct hf_spool_head *head, uint64_t *at,
				 struct hf_spool_frame *frame);

#endif
