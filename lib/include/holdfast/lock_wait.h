/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_WAIT_H
#define HF_LOCK_WAIT_H

/*
 * Waiting for flock(2): in the kernel, to a deadline, without standing still.
 *
 * The thread that wants the lock blocks in flock(2) and keeps its place in the kernel's queue until
 * it has the lock or gives up for good. Nothing may interrupt it meanwhile: a signal, even one that
 * restarts the call, sends it to the end of the queue. So the clock is watched by a second thread,
 * which is made when the lock is not free. It
 *
 *	- after 25 or 250 ms, after 1 s, and then again (each second in the beginning, every
 *	  ten in a long wait) looks whether the wait can end at all (wait_check.h): not if the lock
 *	  is held by a descriptor that the waiter inherited, by an ancestor that waits for it to
 *	  end, or by a keeper for such an ancestor; nor in a circle of waiters, in which exactly
 *	  one gives up (wait/deadlock.h);
 *	- after 1 s says whom one waits for (wait->notice);
 *	- at the deadline ends the wait (HF_BUSY), by HF_WAIT_SIGNAL to the waiting thread, again
 *	  and again until it has left the call.
 *
 * A lock that is free is taken by one system call, and no thread is made. The watching thread is
 * detached and takes no signals, and nobody stays for its end: it may outlive the call by 25 ms or
 * by the look that it is at. (The kernel closes an ending process's files only when all its threads
 * have ended: whoever unlocks by exiting does better to close the descriptor first.)
 *
 * A process that gives up (holdfast/clock.h) leaves the queue at the next signal with a handler.
 *
 * A holder that is killed frees the lock at once; a waiter that is killed leaves nothing behind.
 * The waiting thread's signals are as the caller has them: a handler that runs costs the place in
 * the queue and nothing else. HF_WAIT_SIGNAL's handler (which does nothing) is installed once, at
 * the first wait that needs it; a program that uses this signal itself sets its own handler first,
 * without SA_RESTART, and it is left alone. Thread-safe.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <holdfast/err.h>

#define HF_WAIT_SIGNAL (SIGRTMAX - 3)

enum hf_lock_mode { HF_LOCK_SHARED, HF_LOCK_EXCLUSIVE };

/* How to wait. Zeroed except the deadline is right for most. */
struct hf_wait {
	int64_t deadline; /* hf_deadline_in(); HF_NOWAIT, HF_NEVER */

	/* How long that was when it was made, for the words "within 10s": what is left of it when
	 * the wait begins is no number that the user knows. 0: "in time". */
	int64_t limit;

	/* Called at most once a wait, on the watching thread, one second into it, with one line
	 * that it may print and no more: "waiting for 'x', held by PID 4711 (rsync …), running
	 * since 10:42:03". NULL unless it will be shown: it costs a look at /proc/locks, which is
	 * n²/2 bytes long where n wait. */
	void (*notice)(void *context, const char *line);
	void *context;

	/* Called once, on the watching thread, 25 ms into the wait: may one wait for this path at
	 * all? HF_OK, or why not, which ends the wait. NULL: one may. */
	enum hf_status (*forbid)(const char *path, struct hf_err *err);

	/* Called on the watching thread after 1 s, and then each second: true ends the wait, with
	 * HF_BUSY, since its reason has gone. Must be quick. NULL: it has not. */
	bool (*is_moot)(void *context);

	/* flock(2) without waiting has just failed: it is not tried again before the wait. */
	bool tried;

	/* The caller borrows (holdfast/lock.h): HF_NO when a keeper is found that would lend, since
	 * it took the lock, or answers, only now. */
	bool borrows;
};

/*
 * Take flock(2) on fd. path is for messages. HF_OK: held. HF_BUSY: not within the deadline; err (if
 * not NULL: the holder is looked for only then) names the lock, the holder and what to do; or given
 * up in a circle. HF_USAGE: an ancestor holds it, or a descriptor of this process (err says who),
 * or the wait was forbidden. HF_UNAVAILABLE: it could be so, and /proc is not there to tell.
 * HF_NO: see borrows. HF_OS and others: the lock cannot be had here (EBADF on NFS without write
 * access, ENOLCK).
 * The lock is not taken twice: a descriptor must not hold one already.
 */
enum hf_status hf_lock_wait(int fd, enum hf_lock_mode mode, const char *path,
			    const struct hf_wait *wait, struct hf_err *err);

/* " within 10s" or " in time", to be said behind what was not had; "" if it was not waited for.
 * Returns out. */
char *hf_wait_within(char *out, size_t size, const struct hf_wait *wait);

#endif
