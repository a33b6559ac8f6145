/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_OWNER_H
#define HF_LOCK_OWNER_H

/*
 * The content of a dotlock: which process owns it.
 *
 * README.md shows the format and the rules for reading (stale/R1 to R4). Any program may have
 * written the file; a file that does not have the exact format is no evidence. Print no part of it
 * without hf_escape(). Never blocks on a regular file. Thread-safe.
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
	/* only owner.boot and owner.host are known (HF_DOT_XATTR) */
	HF_OWNER_TRUNCATED,
	HF_OWNER_FOREIGN,  /* not understood; `why` gives the reason */
	HF_OWNER_NO_PID,   /* names no process */
	HF_OWNER_PID_ONLY, /* only owner.pid is known */
	HF_OWNER_HOLDFAST,
};

/* For FOREIGN: is it owner information at all? */
enum hf_lock_owner_resemblance {
	HF_OWNER_DATA,	  /* text of another kind */
	HF_OWNER_OBSCURE, /* binary or unreadable: the content proves nothing */
	HF_DOT_RECORD,	  /* the first line is a PID, or nearly: of another format, or cut off */
};

struct hf_lock_owner_info {
	enum hf_lock_owner_form form;
	const char *why;			 /* FOREIGN, NO_PID: a phrase, "it is empty" */
	enum hf_lock_owner_resemblance likeness; /* for FOREIGN */
	struct hf_process_id owner;
	int64_t taken; /* wall clock, seconds; for messages, not for judging */
	char nonce[HF_NONCE_SIZE];
	char purpose[HF_PURPOSE_SIZE]; /* HOLDFAST: what the lock is for; "": not given */
};

/* Describe this process as the owner, now, with a new nonce. */
void hf_lock_owner_make(struct hf_lock_owner_info *record);

/* Format it as text. Return the length. */
size_t hf_lock_owner_format(const struct hf_lock_owner_info *record, char out[HF_LOCK_OWNER_MAX]);

/* Parse size bytes. */
void hf_lock_owner_parse(const char *bytes, size_t size, struct hf_lock_owner_info *record);

/* Parse an open file from its beginning; the offset does not change. A file that is not understood
 * but has HF_DOT_XATTR is TRUNCATED. */
void hf_lock_owner_read(int fd, struct hf_lock_owner_info *record);

#endif
