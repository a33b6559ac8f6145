/* SPDX-License-Identifier: ISC */
#ifndef HF_APPEND_H
#define HF_APPEND_H

/*
 * Appending a record: all of it or none, once, and durable when acknowledged.
 *
 * By default the file is replaced (holdfast/atomic.h) by a copy with the record behind it; the copy
 * shares its blocks where the file system can. A reader sees whole records only. With in_place the
 * record is written behind the file's end, after a durable note of how to take it back
 * (spool/append_recovery.h): for large logs, and files that somebody tails. A crash then leaves at
 * most a torn tail, and the next append removes it.
 *
 * Appenders that find the file locked hand their records to the one that works
 * (spool/spool_file.h). In turns:
 *
 *	open the target, try its lock
 *	busy: hand the record over, and wait for the lock to the deadline
 *	look what became of the record: done? then its status is ours
 *	has the target been replaced? start again
 *	settle what a dead leader left; look again
 *	lead: take the spool, write the batch, say DONE
 *
 * P1  A record that was handed over is in exactly one leader's hands; its owner acts on it again
 *     only after the spool says ABANDONED, or after it was withdrawn (S2).
 * P2  HF_OK is returned only after the batch is in the target and file and directory are synced,
 *     by whoever did it; a directory that could not be synced is HF_UNCERTAIN for all of the batch.
 * P3  Nobody leads while a batch is unsettled.
 * P4  A leader that fails does so for itself alone: the batch is ABANDONED, and every owner tries
 *     on his own (the reason may be the leader's own limit).
 * P5  A record in a leader's hands cannot time out: giving up then would make it double when the
 *     caller tries again.
 * P6  A leader writes for others only with full syncing, and hands no option of its own on: an
 *     append with less, or with a mode, neither hands over nor leads others.
 *
 * An absent file is created with the record as its content, by a link that replaces nothing.
 * Blocks: other holdfast writers of this file, and flock users of it; never a reader. A plain `>>`
 * by somebody else during a rewrite is lost, since it goes to the old file: in_place is for that.
 *
 * Not async-signal-safe. Dying at any point is safe. Two threads may append to one file, each with
 * its own call.
 */

#include <holdfast/atomic.h>
#include <holdfast/input.h>

struct hf_append_options {
	struct hf_atomic_options file; /* wait, sync, no_follow, parents, break_links, mode */
	bool in_place;
};

/* Append the record. HF_OK: it is in, once, and durable. HF_UNCERTAIN: it is in, but may not
 * survive a power cut; or another had it, and what became of it cannot be known. Anything else: it
 * is not in. Errors as in holdfast/atomic.h; HF_DATA also for what cannot be appended to. */
enum hf_status hf_append(const char *path, const struct hf_append_record *record,
			 const struct hf_append_options *options, struct hf_err *err);

#endif
