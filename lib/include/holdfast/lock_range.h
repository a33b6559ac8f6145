/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_RANGE_H
#define HF_LOCK_RANGE_H

/*
 * The kind "range": fcntl(2) open file description locks on bytes of a file.
 *
 * For programs that lock with fcntl: /etc/.pwd.lock, mail spools, databases. These locks and
 * flock(2) do not exclude each other. They exclude ordinary fcntl locks, but belong to the open
 * file description, like flock(2): a command inherits them, and they are free when the last copy of
 * the descriptor is closed.
 *
 * The bytes are [start, start + length), whether the file has them or not; length 0 means to the
 * end, however far the file grows. An exclusive range needs a descriptor open for writing; nothing
 * is written. A directory has no ranges.
 *
 * Waiting is in the kernel's queue, to the deadline, with a second thread that watches the clock,
 * as in holdfast/lock_wait.h; a notice is given after a second. Deadlocks among ranges are not
 * detected, and the kernel does not report the PID of a holder with an open file description lock.
 *
 * Errors: HF_BUSY: not acquired within the deadline. HF_DATA: the descriptor is not open for
 * writing. HF_OS: out of locks. Thread-safe for different descriptors.
 */

#include <stdint.h>

#include <holdfast/fd.h>
#include <holdfast/lock.h>

extern const struct hf_lock_ops hf_lock_range;

/* Set the bytes of a lock of this kind, before the set is acquired. Without it: the whole file. */
void hf_lock_range_set(struct hf_lock *lock, int64_t start, int64_t length);

/* Lock a range of fd, waiting. what is for messages: "'x'", "a slot of 'x'". */
enum hf_status hf_range_wait(int fd, enum hf_lock_mode mode, int64_t start, int64_t length,
			     const char *what, const struct hf_wait *wait, struct hf_err *err);

/* Lock a range without waiting. Return 0; or -1 with errno, EAGAIN if another process holds it. */
int hf_range_try(int fd, enum hf_lock_mode mode, int64_t start, int64_t length);

void hf_range_unlock(int fd, int64_t start, int64_t length);

#endif
