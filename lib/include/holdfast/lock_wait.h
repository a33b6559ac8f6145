/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_WAIT_H
#define HF_LOCK_WAIT_H

/*
 * Wait for flock(2) in the kernel's queue, to a deadline, and detect waits that cannot end.
 *
 * The waiting thread blocks in flock(2) and keeps its place in the kernel's queue until it has the
 * lock or the wait ends. It must not be interrupted: a signal handler, even one that restarts the
 * call, sends it to the end of the queue. Therefore a second thread watches the clock. It exists
 * only while the lock is not free, and
 *
 *	- checks after 25 or 250 ms, after 1 s, and then repeatedly (each second at first, every
 *	  ten in a long wait), whether the wait can end. It cannot if the lock is held by a
 *	  descriptor that the process inherited, by an ancestor that waits for this process to
 *	  exit, or by a keeper (lock-acquire) for such an ancestor; or in a deadlock, of which
 *	  exactly one process is the victim and fails;
 *	- after 1 s reports the holder (wait->notice);
 *	- at the deadline ends the wait (HF_BUSY), with HF_WAIT_SIGNAL to the waiting thread,
 *	  repeated until it has left the call.
 *
 * A free lock costs one system call and no thread. The watching thread is detached and takes no
 * signals; it may outlive the call by 25 ms or by the check that it is in. (The kernel closes the
 * files of a process when its last thread has ended; a process that unlocks by exiting should close
 * the descriptor first.) hf_cancel_waits() (holdfast/clock.h) makes the process leave the queue at
 * the next signal with a handler.
 *
 * A holder that is killed frees the lock at once; a waiter that is killed leaves nothing. The
 * waiting thread keeps the caller's signal handlers; a handler that runs costs the place in the
 * queue and nothing else. The handler of HF_WAIT_SIGNAL does nothing and is installed at the first
 * wait that needs it; a program that uses this signal installs its own handler first, without
 * SA_RESTART, and it is kept. Thread-safe.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <holdfast/err.h>

#define HF_WAIT_SIGNAL (SIGRTMAX - 3)

enum hf_lock_mode { HF_LOCK_SHARED, HF_LOCK_EXCLUSIVE };

/* How to wait. For most callers zeroes suffice, except for the deadline. */
struct hf_wait {
	int64_t deadline; /* hf_deadline_in(); HF_NOWAIT, HF_NEVER */

	/* The time limit from which the deadline was made, for the words "within 10s": the user
	 * knows this number, but not the time that is left when the wait begins. 0: "in time". */
	int64_t limit;

	/* Called at most once a wait, on the watching thread, after one second, with one line:
	 * "waiting for 'x', held by PID 4711 (rsync …), running since 10:42:03". It may print
	 * the line and must do nothing else. NULL if it would not be shown: the search reads
	 * /proc/locks, which has n²/2 bytes for n waiters. */
	void (*notice)(void *context, const char *line);
	void *context;

	/* Called once, on the watching thread, 25 ms into the wait: return HF_OK if this process
	 * may wait for this path, or the reason, which ends the wait. NULL: it may. */
	enum hf_status (*forbid)(const char *path, struct hf_err *err);

	/* Called on the watching thread after 1 s, and then each second. If it returns true, the
	 * reason for the wait has gone, and the wait ends with HF_BUSY. Must be quick. May be
	 * NULL. */
	bool (*is_moot)(void *context);

	/* flock(2) without waiting has just failed: do not try it again before the wait */
	bool tried;

	/* The caller borrows (holdfast/lock.h): end with HF_NO when a keeper is found that would
	 * lend, since it has taken the lock, or answers, only now. */
	bool borrows;
};

/*
 * Take flock(2) on fd, which must not hold such a lock already. path is for messages. HF_OK: the
 * lock is held. HF_BUSY: not within the deadline; err (if not NULL: only then is the holder
 * searched) names the lock, the holder and what to do; or this process is the victim of a deadlock.
 * HF_USAGE: an ancestor holds it, or a descriptor of this process (err says which), or the wait was
 * forbidden. HF_UNAVAILABLE: that is possible, and /proc is not mounted. HF_NO: see borrows. HF_OS
 * and others: the lock is not available here (EBADF on NFS without write access, ENOLCK).
 */
enum hf_status hf_lock_wait(int fd, enum hf_lock_mode mode, const char *path,
			    const struct hf_wait *wait, struct hf_err *err);

/* Write " within 10s" or " in time", to follow a message that a lock was not acquired; "" without a
 * wait. Return out. */
char *hf_wait_within(char *out, size_t size, const struct hf_wait *wait);

#endif
