/* SPDX-License-Identifier: ISC */
#ifndef HF_RECOVER_H
#define HF_RECOVER_H

/*
 * Recovery: the next run finishes the records that dead processes left. It only goes forward.
 * README.md has the invariants (record/V1 to record/V6).
 *
 *	repeat hf_record_locks_acquire(), hf_record_locks_check(), hf_record_recover_all() on HF_NO
 *	finally hf_recovery_end()
 *
 * The caller has acquired the hold, in a transaction. If an intent needs more locks than are held,
 * they are added to the hold, and the result is HF_NO. It is also HF_NO after something was
 * finished: that was committed, and locked files may have other inodes now. Waits only as
 * redo.h does. A crash leaves the intents. Errors: what prevents a record from being finished that
 * could be; nothing is lost, since the intent stays. err is not NULL. For single-threaded tools.
 */

#include "record/record_locks.h"

struct hf_recovery {
	struct hf_record_locks *hold;
	bool others; /* also records of other repositories, which are found where the intent says */
	size_t finished, left;

	/* The caller's own record, which it could not finish itself: it is not reported. */
	const char *own; /* its id; NULL: none */
	char own_commit[HF_OID_SIZE];
	bool own_left;	/* it could not be finished */
	bool own_stays; /* it is finished, except a file that another program has changed */

	struct hf_recovery_files *files; /* of the intents that were seen, for their locks */
	size_t file_count;
	char (*reported)[HF_RECORD_ID]; /* ids that were reported as unfinished */
	size_t reported_count;
};

/* HF_OK: no intent is left that can be finished, and nothing was done. HF_NO: release, acquire, and
 * call again. */
enum hf_status hf_record_recover_all(struct hf_recovery *r, struct hf_err *err);

/* Close the files, and remove them from the hold. They are opened again when they are needed. */
void hf_recovery_forget(struct hf_recovery *r);

void hf_recovery_end(struct hf_recovery *r);

#endif
