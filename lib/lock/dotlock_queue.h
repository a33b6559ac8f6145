/* SPDX-License-Identifier: ISC */
#ifndef HF_DOT_QUEUE_H
#define HF_DOT_QUEUE_H

/*
 * Those who wait for a dotlock, in one queue.
 *
 * They wait in the kernel, for flock(2) on the record. But each holder's record is a new file: who
 * comes while it is held waits on that one, those who were before on the one before, and each
 * hand-over would wake one of every queue, for all but one in vain. So the record of a holder whom
 * others waited for does not go when he gives the lock back: it loses the name PATH and gets
 * ".holdfast.NAME.queue". Who then finds PATH held waits there.
 *
 *	Q1  The queue decides nothing but the order. Whoever gets its lock is its head: he keeps
 *	    that lock until he has given PATH back, and takes PATH by the rules of lock_dot.h, as
 *	    anybody may who has not waited. It can be removed at any time; then there are two
 *	    queues for a while.
 *	Q2  That one waits is seen by a mark on the inode he waits on: a read lock of his open file
 *	    on one byte far behind its end (fcntl(2), F_OFD_SETLK; HF_WAITER_MARK of proc_locks.h),
 *	    which goes with the descriptor. Where there is no such lock, nobody is seen, and there
 *	    is no queue with a name.
 *	Q3  A head who leaves, and sees nobody behind him, removes the name. If all who waited die
 *	    between his look and his leaving, it stays, and the next one removes it.
 *
 * A queue's lock can also be held by a process that is stopped, or by any process that can read the
 * file. So a waiter that has waited for it for more than a second looks at PATH: if it is free, the
 * waiter leaves the queue (hf_dot_queue_is_moot()). A queue that another user may have made is not
 * used (base/side_file.h): then there is no order among the waiters.
 *
 * Nothing here waits, and no process is kept waiting by a queue that is abandoned: its lock is
 * free. A crash leaves at most that name (Q3). Whoever has an ancestor's locks (HF_FD_ENV) does not
 * go to the queue, since it may be the ancestor that its head waits for. Thread-safe for different
 * dotlocks; not async-signal-safe.
 */

#include <sys/stat.h>

#include <holdfast/path.h>

enum { HF_DOT_KEPT = 8 }; /* of more queues, each costs a wake-up only */

/* The locks that are kept for those behind us. Zeroed to begin with. */
struct hf_dot_queue {
	int kept[HF_DOT_KEPT];
	int count;
	int found_free; /* so often, one look after the other, PATH was free */
};

/* A descriptor of the queue, to wait for its lock; -1: there is none, or it is ours. */
int hf_dot_queue_open(const struct hf_dot_queue *queue, const struct hf_target *target);

/* While the caller waits for a queue's lock, about once a second: return true if PATH is free, now
 * and the time before. The head of the queue would have taken it in between. */
bool hf_dot_queue_is_moot(struct hf_dot_queue *queue, const struct hf_target *target);

/* Q2: somebody is about to wait for the lock of this one. */
void hf_dot_queue_mark(int fd);

/* fd's lock was got, and is kept. */
void hf_dot_queue_keep(struct hf_dot_queue *queue, int fd);

/* Give back the one of this inode: PATH names it again (D4). */
void hf_dot_queue_forget(struct hf_dot_queue *queue, const struct stat *st);

/* PATH, which is ours and names fd, is given back: if others wait for fd, as their queue. false: it
 * still has its name. */
bool hf_dot_queue_found(const struct hf_target *target, int fd);

/* Q3. Give all of them back; PATH was given back before. */
void hf_dot_queue_leave(struct hf_dot_queue *queue, const struct hf_target *target);

/* Remove a queue that nobody is in. */
void hf_dot_queue_reap(const struct hf_target *target);

#endif
