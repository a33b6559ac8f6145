/* SPDX-License-Identifier: ISC */
#ifndef HF_SETTLE_H
#define HF_SETTLE_H

/*
 * Finish or abandon the batches that dead leaders of appends left beside a target. README.md has
 * the table of states.
 *
 * Each leader calls hf_append_recover() first, and so does each process that is about to replace
 * the target (atomic/target_check.h). The caller holds the target's lock, if the target exists. It
 * blocks to the deadline while a leader lives. If no batch is left, it costs two system calls. It
 * is idempotent: after a crash the next process repeats it. Errors: below, and holdfast/err.h. Not
 * for two threads on one target; not async-signal-safe.
 */

#include "spool/spool_leader.h"
#include <holdfast/path.h>

/* st is the locked target's, or NULL if it is absent. Return HF_OK if no usable batch is left,
 * HF_BUSY if a leader still lives at the deadline, HF_NOPERM if a trusted user's batch cannot be
 * opened. */
enum hf_status hf_append_recover(const struct hf_target *target, const struct stat *st,
				 const struct hf_wait *wait, struct hf_err *err);

#endif
