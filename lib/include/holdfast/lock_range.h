/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_RANGE_H
#define HF_LOCK_RANGE_H

/*
 * The kind "range": fcntl(2) open file description locks on bytes of a file.
 *
 * For programs that lock by fcntl: /etc/.pwd.lock, mail spools, databases. Such locks and flock(2)
 * do not see each other. They exclude ordinary fcntl locks, but unlike these they belong to the
 * open description as flock does: a command inherits them, and they are free when the last copy of
 * the descriptor is closed, however that happens.
 *
 * The bytes are [start, start + length), whether the file has them or not; length 0 is to the end,
 * however far the file grows. An exclusive range needs a descriptor that is open for writing, which
 * nothing is written to; a directory has no ranges.
 *
 * Waiting is in the kernel's queue, to the deadline; as in holdfast/lock_wait.h a second thread
 * watches the clock, so that no signal of ours costs the place in the queue before the wait is
 * over. It says after a second what is waited for. Nobody looks for circles among ranges, and who
 * holds one by an open description the kernel does not tell.
 *
 * Errors: HF_BUSY not within the deadline; HF_DATA the descriptor is not open for writing;
 * HF_OS no locks to be had. Thread-safe for different descriptors.
 */

#include <holdfast/fd.h>
#include <holdfast/lock.h>

/* Of holdfast/lock.h's parameters it has start and length. */
extern const struct hf_lock_ops hf_lock_range;

/* Lock a range of fd. what is for messages: "'x'", "a slot of 'x'". */
enum hf_status hf_range_wait(int fd, enum hf_lock_mode mode, int64_t start, int64_t length,
			     const char *what, const struct hf_wait *wait, struct hf_err *err);

/* The same, at once: 0, or -1 with errno, EAGAIN when it is held. */
int hf_range_try(int fd, enum hf_lock_mode mode, int64_t start, int64_t length);

void hf_range_unlock(int fd, int64_t start, int64_t length);

/* A range, as fdinfo shows it. */
struct hf_range_held {
	int fd;
	bool exclusive;
	int64_t start, last; /* last: INT64_MAX for "to the end" */
};

/* Does fd hold a range that fits? *found is it. */
bool hf_range_holds(int fd, bool (*fits)(const void *wanted, const struct hf_range_held *held),
		    const void *wanted, struct hf_range_held *found);

/*
 * Among the descriptors that this process inherited, from 3 up, and that are open on this inode:
 * one that holds a range which fits (HF_HELD_SHARED or HF_HELD_EXCLUSIVE). /proc/self/fdinfo is the
 * proof, and all are looked at, not only those which the environment names: the kernel tells no PID
 * here, so nobody can tell an ancestor from a stranger later, and a wait for oneself has no end.
 * Close-on-exec descriptors are this process's own, and exclude its other sets.
 */
enum hf_held hf_range_inherited(const struct stat *inode,
				bool (*fits)(const void *wanted, const struct hf_range_held *held),
				const void *wanted, struct hf_range_held *found);

#endif
