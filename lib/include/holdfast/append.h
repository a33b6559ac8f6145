/* SPDX-License-Identifier: ISC */
#ifndef HF_APPEND_H
#define HF_APPEND_H

/*
 * Append a record: all of it or nothing, once, and durable when HF_OK is returned.
 *
 *	hf_append_record_read() or hf_lines_next() (holdfast/input.h), or fill in a record
 *	hf_append()
 *
 * By default the file is replaced (holdfast/atomic.h) by a copy with the record at its end. The
 * copy shares the blocks of the old file if the file system can. A reader sees whole records only.
 * An absent file is created with the record as its content, and never replaces a file that another
 * process creates at the same time.
 *
 * With in_place the record is written at the end of the file, after a durable note of how to cut
 * it off again. This is for large logs, and for files that a program tails. A reader can see a
 * part of the record while it is written. A crash leaves at most a torn record, which the next
 * append to the file, or the next replacement of it, cuts off.
 *
 * Group commit: a process that finds the file locked hands its record over to the process that is
 * appending, and that one writes all waiting records with one sync. HF_OK is returned only after
 * file and directory are synced, by whichever process did it. Only appends with full syncing,
 * without a mode, and with a record of at most HF_APPEND_RECORD_SMALL bytes in memory take part. If
 * the process that has the records fails, each other process appends its record itself: the failure
 * of one process does not become that of another.
 *
 * Blocks: on other holdfast writers of this file, and on flock(2) users of it, to the deadline of
 * the wait. A record that another process has taken cannot time out at that deadline, since the
 * caller would append it twice. The call then waits for as long again. If that process is stopped
 * or still not ready, the status is HF_UNKNOWN, and the message names the process. Readers never
 * block.
 *
 * A plain `>>` of another program during a replacement is lost, since it goes to the old file; use
 * in_place for such files.
 *
 * Crash: a process may be killed at any point. The record is then in the file whole, or not at
 * all, or, with in_place, as a torn tail until the next append. Signals: none are handled. Two
 * threads may append to one file, each with its own call. Not async-signal-safe.
 */

#include <holdfast/atomic.h>
#include <holdfast/input.h>

struct hf_append_options {
	struct hf_atomic_options file; /* wait, sync, no_follow, parents, break_links, mode */
	bool in_place;
};

/* Append the record. HF_OK: it is in the file, once, and durable. HF_UNCERTAIN: it is in the file,
 * but may not survive a power cut. HF_UNKNOWN: another process had taken the record, and nothing
 * can tell whether it is in the file. Any other status: it is not in the file. Errors as in
 * holdfast/atomic.h; HF_DATA also if the file cannot be appended to. */
enum hf_status hf_append(const char *path, const struct hf_append_record *record,
			 const struct hf_append_options *options, struct hf_err *err);

#endif
