/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_TARGET_H
#define HF_LOCK_TARGET_H

/*
 * The lock of a file that is about to be replaced: flock(2) on the target itself.
 *
 *	hf_target_lock()
 *	in steps: hf_target_open_old(), hf_target_wait(), hf_target_recheck(); HF_NO: start again
 *
 * A lock on a replaced inode protects nothing, so the inode is checked again after the wait.
 * Errors: HF_NOINPUT absent; HF_DATA not a regular file; HF_NOPERM neither readable nor writable;
 * HF_USAGE an ancestor holds the lock (an inherited lock never counts). Blocks to the deadline.
 * close(2), and so a crash, releases the lock. Thread-safe; not async-signal-safe.
 */

#include <sys/stat.h>

#include <holdfast/lock_wait.h>
#include <holdfast/path.h>

/* Lock the target. After HF_OK *fd is open (O_RDONLY, or O_WRONLY if reading is not permitted;
 * O_CLOEXEC) and holds the lock, and *st describes it. After any other status nothing is held. */
enum hf_status hf_target_lock(const struct hf_target *target, const struct hf_wait *wait, int *fd,
			      struct stat *st, struct hf_err *err);

/* The steps, for a caller that acts in between (holdfast/append.h). Open the target; *st describes
 * it. HF_NOINPUT: it is absent. */
enum hf_status hf_target_open_old(const struct hf_target *target, bool writable, int *fd,
				  struct stat *st, struct hf_err *err);

/* Lock it. */
enum hf_status hf_target_wait(const struct hf_target *target, int fd, const struct hf_wait *wait,
			      struct hf_err *err);

/* Check that the name still leads to fd, and read *st again. HF_NO: it does not, start again. */
enum hf_status hf_target_recheck(const struct hf_target *target, int fd, struct stat *st,
				 struct hf_err *err);

#endif
