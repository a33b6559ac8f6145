/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_FILE_H
#define HF_LOCK_FILE_H

/*
 * The kind "file": flock(2) on a file or directory.
 *
 * It excludes users of flock(1) on the same file, and is excluded by them. Every process that can
 * open the file can lock it. Nothing is written to it.
 *
 * After the lock is acquired, the path is checked again. If it names another inode by then, the
 * lock protects nothing, and the set starts again with the new one. flock(1) does not check; a lock
 * file that other processes remove or replace does not reliably exclude flock(1).
 *
 * On NFS an exclusive lock needs a descriptor open for writing: if it fails with EBADF or EIO, the
 * file is opened again for reading and writing.
 *
 * Release closes the descriptor, so a background child that inherited it continues to hold the
 * lock, as with flock(1). A crash releases the lock. Waits and signals: holdfast/lock_wait.h.
 *
 * Use it through a set (holdfast/lockset.h).
 */

#include <holdfast/lock.h>

extern const struct hf_lock_ops hf_lock_file;

/*
 * Remove the lock file if no process uses it. It is opened and locked again without waiting, with
 * flock(2) and over its whole range, and the path is checked, before the name is removed; waiters
 * notice that when they check the path. The caller must have released the lock. A symbolic link
 * stays, and its target is removed.
 *
 * HF_OK: removed, or absent. HF_NO: another process holds it, and may remove it later. HF_DATA: not
 * a regular file. HF_NOPERM and others: it cannot be removed.
 */
enum hf_status hf_lock_file_remove(const char *path, struct hf_err *err);

#endif
