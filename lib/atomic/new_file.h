/* SPDX-License-Identifier: ISC */
#ifndef HF_NEW_FILE_H
#define HF_NEW_FILE_H

/*
 * The new file of a transaction (holdfast/atomic.h), before it has the target's name: open it,
 * check its content, give it its attributes, and sync it.
 *
 *	hf_new_file_open(), the caller writes, hf_new_file_check(), hf_new_file_finish()
 *
 * Errors as in holdfast/atomic.h. Waits only for the command of options->validate. A crash leaves
 * at most a temporary name. One thread for each transaction; not async-signal-safe.
 */

#include <holdfast/atomic.h>

#include "atomic/target_check.h"

enum hf_atomic_state {
	BEGUN,	  /* the target is to be locked in the commit */
	LOCKED,	  /* it was locked, or found absent, before the content was made */
	PREPARED, /* and the new file is checked, has its attributes, and is synced */
	REPLACED, /* committed */
	KEPT,	  /* committed: the target has this content already (skip_same) */
	ABORTED,
};

struct hf_atomic {
	struct hf_target target;
	const struct hf_atomic_options *options;
	struct hf_target_rules rules;
	struct hf_target_claim claim;
	enum hf_atomic_state state;
	int fd;		  /* the new file; -1: not open */
	bool borrowed;	  /* target and claim.fd belong to the caller */
	bool made_absent; /* the new file has the attributes of one for an absent target */
	bool syncs_late;  /* to be synced when it has its temporary name (btrfs) */
	int validator;
	char temporary[NAME_MAX + 1];
	uint32_t number; /* with options->step: the number in that name */
};

/* Report errno: the target cannot be replaced, or created. */
enum hf_status hf_new_file_fail(const struct hf_atomic *a, struct hf_err *err);

bool hf_new_file_syncs(const struct hf_atomic *a);
/* If the target is known already, check it. If not, its present state decides how the new file is
 * made, and it is checked again under its lock. */
enum hf_status hf_new_file_open(struct hf_atomic *a, struct hf_err *err);

/* Check whether this content may be put in place. */
enum hf_status hf_new_file_check(struct hf_atomic *a, struct hf_err *err);

/* Set the attributes, then sync content and attributes, unless the sync comes after the naming
 * (atomic/A1). */
enum hf_status hf_new_file_finish(struct hf_atomic *a, struct hf_err *err);

#endif
