/* SPDX-License-Identifier: ISC */
#ifndef HF_DOT_RECORD_H
#define HF_DOT_RECORD_H

/*
 * A dotlock's record: what the file says about its owner.
 *
 *	4711
 *	holdfast dotlock 1
 *	host atlas
 *	boot 0f6b6f3e-2a51-4b1c-8f9d-0c8e6a1d2b3c
 *	pidns 4026531836
 *	timens 4026531834
 *	start 123456
 *	taken 1700000000
 *	nonce 0123456789abcdef0123456789abcdef
 *	for record 5f3a
 *
 * The PID stands alone on the first line, where dotlockfile(1) and everything that reads PID files
 * look for it. What is not known to its writer is written as "-". The nonce tells two records of
 * one process apart: inode numbers and times are used again. The last line is there if the owner
 * has said what the lock is for.
 *
 * Read as bytes that anybody may have written:
 *
 *	R1  At most HF_LOCK_OWNER_MAX bytes are read. What is longer, has a NUL, a line without an
 *	    end, a key twice, a value that is not exactly of its form, or a form that is not known,
 *	    is FOREIGN: no evidence of anything, with `why` to say so.
 *	R2  A PID is 1 to 4194304 (the kernel's limit) in decimal, without sign; blanks may stand
 *	    before it (HDB UUCP's form), and nothing else on its line. 0, -1, 2^31 are no PIDs.
 *	R3  A file that is one line with a PID is PLAIN: a PID file, dotlockfile's record.
 *	    An empty one, and procmail's "0", are NO_PID.
 *	R4  OURS has all lines of the form above. Unknown keys behind them are left to the future.
 *
 * Nothing of a record is shown to a terminal without hf_escape(). Never blocks on a regular file.
 * Thread-safe.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/process_id.h"

#define HF_DOT_XATTR "user.holdfast.dotlock" /* "BOOT HOST": lock/dotlock_file.h says why */

enum {
	HF_LOCK_OWNER_MAX = 4096,
	HF_PID_MAX = 4194304,
	HF_NONCE_SIZE = 33,
	HF_PURPOSE_SIZE = 128,
};

enum hf_lock_owner_form {
	/* owner.boot and owner.host are known (HF_DOT_XATTR), nothing else */
	HF_OWNER_TRUNCATED,
	HF_OWNER_FOREIGN,  /* cannot be understood; why says it */
	HF_OWNER_NO_PID,   /* says nothing */
	HF_OWNER_PID_ONLY, /* owner.pid, and nothing else */
	HF_OWNER_HOLDFAST,
};

/* Of what is FOREIGN: is it a lock's record at all? */
enum hf_lock_owner_resemblance {
	HF_OWNER_DATA,	  /* text of another kind */
	HF_OWNER_OBSCURE, /* binary, or not to be read: its content says nothing either way */
	HF_DOT_RECORD,	  /* its first line is a PID, or nearly: of another form, or cut off */
};

struct hf_lock_owner_info {
	enum hf_lock_owner_form form;
	const char *why; /* FOREIGN, NO_PID: a phrase, "it is empty" */
	enum hf_lock_owner_resemblance likeness; /* FOREIGN */
	struct hf_process_id owner;
	int64_t taken; /* wall clock, seconds; for telling, not for judging */
	char nonce[HF_NONCE_SIZE];
	char purpose[HF_PURPOSE_SIZE]; /* OURS: what it is for; "" : nothing is said */
};

/* A record of this process, taken now, with a fresh nonce. */
void hf_lock_owner_make(struct hf_lock_owner_info *record);

/* As text. Returns its length. */
size_t hf_lock_owner_format(const struct hf_lock_owner_info *record, char out[HF_LOCK_OWNER_MAX]);

/* Understand size bytes. */
void hf_lock_owner_parse(const char *bytes, size_t size, struct hf_lock_owner_info *record);

/* The same, of an open file from its beginning; the offset stays. What is not understood, and has
 * HF_DOT_XATTR, is TORN. */
void hf_lock_owner_read(int fd, struct hf_lock_owner_info *record);

#endif
