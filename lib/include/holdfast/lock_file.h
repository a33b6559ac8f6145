/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_FILE_H
#define HF_LOCK_FILE_H

/*
 * The kind "file": flock(2) on a file or directory that the user names.
 *
 * flock(1) users of the same file are excluded, and exclude us. Any process that can open the file
 * can lock it. Nothing is ever written to it.
 *
 * After the lock is had the path is looked at again. If it names another inode by then, the lock
 * protects nothing: whoever comes now opens the new file. The set starts again with that one.
 * flock(1) does not look again; a lock file that others remove or replace does not reliably exclude
 * flock(1).
 *
 * On NFS flock(2) is a lock on the server that needs a file opened for writing: where an exclusive
 * lock is refused with EBADF or EIO, the file is opened anew, for reading and writing.
 *
 * Given back by closing, so that a background child that inherited the descriptor goes on holding,
 * as with flock(1). A crash is a release. Waits and signals are as holdfast/lock_wait.h says.
 *
 * Calling sequence: through a set (holdfast/lockset.h).
 */

#include <holdfast/lock.h>

extern const struct hf_lock_ops hf_lock_file;

/*
 * Remove the lock file, if nobody wants it: it is opened and locked anew without waiting, by
 * flock(2) and all of its range, the path is looked at again, and only then the name is removed;
 * lockers who wait find that out by looking again themselves. The caller must have given the lock
 * back. A symbolic link stays, and what it leads to is removed.
 *
 * HF_OK: removed, or not there. HF_NO: somebody holds it, and may remove it afterwards.
 * HF_DATA: not a regular file. HF_NOPERM and others: it cannot be removed.
 */
enum hf_status hf_lock_file_remove(const char *path, struct hf_err *err);

#endif
