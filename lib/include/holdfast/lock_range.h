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
#include <sys/stat.h>

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

/* A range, as fdinfo shows it. */
struct hf_range_held {
	int fd;
	bool exclusive;
	int64_t start, last; /* last: INT64_MAX for "to the end" */
};

/* Return true if fd holds a range for which fits() returns true; *found is that range. */
bool hf_range_holds(int fd, bool (*fits)(const void *wanted, const struct hf_range_held *held),
		    const void *wanted, struct hf_range_held *found);

/*
 * Search the descriptors that this process inherited (from 3 up, not close-on-exec) and that are
 * open on this inode for one that holds a fitting range. Return HF_HELD_SHARED or
 * HF_HELD_EXCLUSIVE, or HF_HELD_NONE. /proc/self/fdinfo is the proof. All are searched, not only
 * those that the environment names: the kernel reports no PID for such locks, so a wait for an
 * inherited one could not be detected later. Close-on-exec descriptors belong to this process
 * itself and exclude its other sets.
 */
enum hf_held hf_range_inherited(const struct stat *inode,
				bool (*fits)(const void *wanted, const struct hf_range_held *held),
				const void *wanted, struct hf_range_held *found);

#endif
