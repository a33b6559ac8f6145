/* SPDX-License-Identifier: ISC */
#ifndef HF_DOTLOCK_QUEUE_H
#define HF_DOTLOCK_QUEUE_H

/*
 * One queue for all waiters of a dotlock (README.md has the rules lock/Q1 to Q4).
 *
 * Waiters wait for flock(2) on a holder's file. At release, a file for which others wait is renamed
 * from PATH to .holdfast.NAME.queue instead of removed; later waiters wait there. The queue decides
 * only the order.
 *
 * Nothing here waits. A crash leaves at most the queue's name; an abandoned queue delays no
 * process. Thread-safe for different dotlocks; not async-signal-safe.
 */

#include <sys/stat.h>

#include <holdfast/path.h>

enum { HF_DOT_KEPT = 8 }; /* each further queue only costs a wake-up */

/* The locks kept for the processes after us in the queues. Begin with zeros. */
struct hf_dot_queue {
	int kept[HF_DOT_KEPT];
	int count;
	int found_free; /* the number of successive checks that found PATH free */
};

/* Return a descriptor of the queue, to wait for its lock; -1 if there is none, or it is ours. */
int hf_dot_queue_open(const struct hf_dot_queue *queue, const struct hf_target *target);

/* Call about once a second while waiting for a queue's lock. Return true if PATH is free now and
 * was free at the previous call: the head of the queue would have taken it in between (lock/Q4). */
bool hf_dot_queue_is_moot(struct hf_dot_queue *queue, const struct hf_target *target);

/* Mark the inode: this process is about to wait for its lock (lock/Q2). */
void hf_dot_queue_mark(int fd);

/* Keep fd, whose lock was acquired. */
void hf_dot_queue_keep(struct hf_dot_queue *queue, int fd);

/* Release the kept lock of this inode: PATH names it again (lock/D4). */
void hf_dot_queue_forget(struct hf_dot_queue *queue, const struct stat *st);

/* Release PATH, which is ours and names fd: if others wait for fd, rename it to their queue. Return
 * false if it still has its name. */
bool hf_dot_queue_found(const struct hf_target *target, int fd);

/* Release all kept locks (lock/Q3). PATH must be released before. */
void hf_dot_queue_leave(struct hf_dot_queue *queue, const struct hf_target *target);

/* Remove a queue without waiters. */
void hf_dot_queue_reap(const struct hf_target *target);

#endif
