/* SPDX-License-Identifier: ISC */
#ifndef HF_SPOOL_FILE_H
#define HF_SPOOL_FILE_H

/*
 * The spool: the file in which waiting appenders hand their records to the leader. This module has
 * its format, its head and its locks; the protocol is in README.md. spool_owner.h is the
 * submitters' side, spool_leader.h the leader's.
 *
 *	create		hf_spool_create(), hf_spool_mark(), hf_spool_put(), hf_spool_name()
 *	add		hf_spool_lock_soon(), hf_spool_read_head(), hf_spool_mark(), hf_spool_put()
 *	read		hf_spool_read_head(), hf_spool_frame_at()
 *
 * Errors: -1 and false leave errno. Only hf_spool_lock_soon() waits, for some 20 ms. A crash
 * leaves the spool with whole records, or a temporary file. Thread-safe for different spools; not
 * async-signal-safe. A process that dies has withdrawn its record, unless a leader has taken it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/file_id.h"
#include "base/side_file.h"
#include <holdfast/input.h>
#include <holdfast/path.h>

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

/* The leader, for messages, and to see whether it is stopped. While it holds the leader's mark, no
 * other process can have its PID. */
struct hf_spool_leader {
	int32_t pid;
	uint32_t unused;
	uint64_t pidns; /* as in base/process_id.h; 0: unknown */
};

/* On disk, in the byte order of the machine: a spool of another order is damaged (spool/S7). */
struct hf_spool_head {
	char magic[8];
	uint32_t state;
	uint32_t status; /* DONE: what every submitter returns */
	uint64_t end;	 /* of the last whole record in this file */
	uint64_t name;	 /* hash of the target's name */
	uint64_t offset; /* IN_PLACE: the records' offset in the target */
	/* PREPARED: number in the new file's temporary name, ".append" (base/side_file.h) */
	uint32_t number;
	uint32_t unused;
	struct hf_file_id target, fresh; /* the old target; PREPARED: the new file */
	struct hf_spool_leader leader;	 /* CLOSED and later */
	uint64_t check;
};

#define HF_SPOOL_FRAME_MAGIC UINT32_C(0x4d415246)

struct hf_spool_frame {
	uint32_t magic;
	uint32_t left_out; /* without a submitter: not in the batch */
	uint64_t size;	   /* of the record, which follows */
};

/* A spool of this size takes no more records. */
#define HF_SPOOL_FULL ((uint64_t)8 << 20)

/* The offset of the leader's mark. A submitter's mark is at its record. */
#define HF_SPOOL_LEADER UINT64_C(0)

/* Used by both sides. -1 and false leave errno. */

/* Create a spool without the spool's name. temporary is its temporary name, or "". It has the
 * target's owner and group, and only users who may read and write the target may open it
 * (spool/S7). */
int hf_spool_create(const struct hf_target *target, int fd_of_target, char temporary[NAME_MAX + 1]);

/* Give a new spool or batch its name. Return HF_NO if the name is taken. */
enum hf_status hf_spool_name(const struct hf_target *target, int fd, const char *temporary,
			     const char *name, struct hf_err *err);

/* Remove the name beside the target if it still names the spool. Return false, with errno, if that
 * fails. */
bool hf_spool_remove(const struct hf_target *target, int fd, const char *name);

struct hf_spool_head hf_spool_new_head(const struct hf_target *target, enum hf_spool_state state);
/* Read and check the head. Return -1 with errno if it cannot be read; with errno 0 if it is damaged
 * or belongs to another target. */
int hf_spool_read_head(const struct hf_target *target, int fd, struct hf_spool_head *head);
bool hf_spool_write_head(int fd, struct hf_spool_head *head);

/* Try flock(2) for some 20 ms. */
bool hf_spool_lock_soon(int fd);
int hf_spool_unlock(int fd);

/* Set (F_WRLCK) or release (F_UNLCK) the mark at this offset. hf_spool_is_marked() returns 1 if
 * another open file has it, 0 if not, -1 if that cannot be known. */
bool hf_spool_mark(int fd, uint64_t at, short type);
int hf_spool_is_marked(int fd, uint64_t at);

/* Write the record as a frame at head->end, and then the head that includes it (spool/S1). */
bool hf_spool_put(int fd, struct hf_spool_head *head, const struct hf_append_record *record);

/* Read the frame at *at; 0 is moved to the first one. Return HF_NO at the end, HF_IO with errno if
 * it cannot be read, HF_DATA if it is damaged. */
enum hf_status hf_spool_frame_at(int fd, const struct hf_spool_head *head, uint64_t *at,
				 struct hf_spool_frame *frame);

#endif
