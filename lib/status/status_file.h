/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_FILE_H
#define HF_STATUS_FILE_H

/*
 * What stands at a path: the source of lock-status for files and directories.
 *
 * Two things can make a lock of a file, and both are looked at:
 *
 *	I1  The kernel has it locked: a row "flock", "posix" or "ofd" each, by probe/lock_table.h. A
 *	    symbolic link is followed, as who locks the file would.
 *	I2  Its existence is a lock. That cannot be known of every file, so it is taken from what it
 *	    is: a record of ours, or procmail's "0", is a "dotlock"; one line with a PID a
 *	    "pidfile"; a directory that has `pid`, or nothing, in it, or a name that ends in "lock"
 *	    or ".lck", a "directory". It is judged as lock-break would judge it (evidence.h), but
 *	    not by its age. If it is locked by flock(2) too, that decides, and is not a second row.
 *	    What begins with a PID and cannot be understood (another version's, another program's,
 *	    one that was cut off) is a "dotlock" too, and so is, under such a name, what is binary;
 *	    these cannot be judged. But if flock(2) has it locked, that is all that is said.
 *	I3  Neither: one row, "file" or "absent", which is free. An empty file is one that somebody
 *	    has locked once by flock(2); that somebody uses its mere existence cannot be seen.
 *
 * What may not be read can be such a record: then it is UNKNOWN, unless the kernel has it locked.
 *
 * Files are opened for reading, without blocking, and only if they are regular; everything else is
 * looked at by O_PATH, which sets nothing to work. Thread-safe.
 */

#include "status/status.h"

/* HF_OK: one row at least. HF_CANTCREAT: there is no such directory. HF_NOPERM: it may not be
 * entered. */
enum hf_status hf_status_path(struct hf_lock_status *list, const char *path, struct hf_err *err);

/* A row for every lock of the table, in the order of their paths. Records among them are read. */
enum hf_status hf_status_all(struct hf_lock_status *list, struct hf_err *err);

#endif
