/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_TARGET_H
#define HF_LOCK_TARGET_H

/*
 * The lock of a file that is about to be replaced: flock(2) on the target itself.
 *
 * A rename gives the target a new inode, and a lock on the old one protects nothing. So: open the
 * target, lock, compare fstat of the descriptor with fstatat of the name, and start again when they
 * differ; what is held in the end is the lock of the file that the name stands for. Whoever
 * replaces the target while holding it (and only then) cannot lose somebody else's change.
 *
 * An absent target has no lock. It is created by a link that replaces nothing, and the loser of
 * that race starts again; hf_target_lock() says HF_NOINPUT for it.
 *
 * This lock is always taken by the tool itself, never satisfied by inheritance: twenty children of
 * one shell share an inherited lock, and would overwrite each other. If an ancestor holds it, the
 * wait could not end, and is refused (HF_USAGE) with the advice to lock FILE.lock instead.
 *
 * The open has no side effects: O_NONBLOCK for FIFOs and devices, O_NOCTTY for terminals; what is
 * not a regular file is refused (HF_DATA). A file that may not be read is opened for writing; one
 * that may be neither is HF_NOPERM. Released by closing. Thread-safe; blocks to the deadline.
 */

#include <sys/stat.h>

#include <holdfast/lock_wait.h>
#include <holdfast/path.h>

/* On HF_OK *fd is open (O_RDONLY, or O_WRONLY where reading is not allowed; O_CLOEXEC) and holds
 * the lock, and *st describes it. On anything else nothing is held. */
enum hf_status hf_target_lock(const struct hf_target *target, const struct hf_wait *wait, int *fd,
			      struct stat *st, struct hf_err *err);

/* The steps of it, for one who has something to do in between (holdfast/append.h):
 * open (HF_NOINPUT: absent; *st describes what was opened), */
enum hf_status hf_target_open_old(const struct hf_target *target, bool writable, int *fd,
				  struct stat *st, struct hf_err *err);

/* lock, */
enum hf_status hf_target_wait(const struct hf_target *target, int fd, const struct hf_wait *wait,
			      struct hf_err *err);

/* and see whether the name still stands for it (HF_NO: no, start again); *st is read anew. */
enum hf_status hf_target_recheck(const struct hf_target *target, int fd, struct stat *st,
				 struct hf_err *err);

#endif
