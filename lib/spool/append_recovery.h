/* SPDX-License-Identifier: ISC */
#ifndef HF_SETTLE_H
#define HF_SETTLE_H

/*
 * Settle the batches that dead leaders of appends left beside a target.
 *
 * Each leader calls hf_append_recover() first, and so does each process that is about to replace
 * the target (atomic/target_claim.h): a new content that was made from the old one would otherwise
 * contain a dead leader's records, or a torn one, and nothing could tell afterwards. It goes
 * forward or back, never halfway, by the state of the batch (spool/spool_file.h):
 *
 *	OPEN, CLOSED	nothing was done: ABANDONED
 *	PREPARED	the target is the new file: sync the directory, DONE
 *			the target is what it was, or the new file has its temporary name:
 *			  ABANDONED, and then the temporary name is removed
 *			neither: another program has replaced the target. The new file has another
 *			  name in the directory (a log that was rotated): DONE. Else it cannot be
 *			  known: DONE, with HF_UNKNOWN
 *	IN_PLACE	what lies in the file from the offset on is
 *			the whole batch: sync the file, DONE
 *			a proper prefix of it: a torn tail. Cut it off, sync, ABANDONED
 *			anything else: another program's bytes, which stay. If the batch is among
 *			  them, whole, DONE, else ABANDONED
 *			The target is another file by now: if the old one has another name in the
 *			  directory, the same is done there, but a torn tail is cut off only if the
 *			  file can be locked soon, and everybody who could have written the batch
 *			  may write that file, too. Else it cannot be known
 *	DONE, ABANDONED	only the name is left
 *
 * A file is recognised by its identity (base/file_id.h). Where there is no second witness beside
 * the inode number, a batch written in place is still recognised by number, offset and content
 * together.
 *
 * It is idempotent: if it is killed at any point, the next one does it again. Where nothing is
 * left, it costs two system calls.
 *
 * The target's lock is the caller's. Errors as in holdfast/err.h. Not for two threads on one
 * target.
 */

#include "spool/spool_leader.h"
#include <holdfast/path.h>

/* st is the target's, as locked; NULL where the target is absent. HF_OK: no batch that could be
 * used is left. HF_BUSY: a leader lives at the deadline. HF_NOPERM: a trusted user's batch cannot
 * be opened. */
enum hf_status hf_append_recover(const struct hf_target *target, const struct stat *st,
				 const struct hf_wait *wait, struct hf_err *err);

#endif
