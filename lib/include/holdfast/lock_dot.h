/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_DOT_H
#define HF_LOCK_DOT_H

/*
 * The kind "dotlock": the existence of a file is the lock, as with dotlockfile(1), procmail's
 * lockfile(1) and PID files, and excludes all of these.
 *
 * What they lack is a record that outlives no one: whoever is killed leaves the file, and whoever
 * then judges it by PID or age and removes it races with the others who do. Here the file is
 * locked by flock(2) too, by everybody who works under it; the kernel knows who lives, waiters wait
 * in its queue, and only a record that nobody has locked is judged.
 *
 *	D1  Complete in one step. The record (lock_owner.h) is written and locked before it has a
 *	    name, and linked to PATH: it is never seen empty, and the link is the lock.
 *	D2  Whoever removes or replaces PATH holds flock(2), exclusive, on the very inode that it
 *	    names, has looked after locking whether PATH still names it, and is its owner, or has
 *	    judged it stale (stale/evidence.h) under that lock.
 *	D3  No takeover while anybody has the inode locked: a command inherits the descriptor, so a
 *	    killed wrapper's lock is held until its command ends.
 *	D4  PATH is not empty while somebody holds. A takeover exchanges the stale record for the
 *	    new one in one step (renameat2(2)), looks at what came out, and if that is not what was
 *	    judged, exchanges back at once: somebody broke D2.
 *	D5  A holder's mtime is touched every two minutes, since dotlockfile and procmail take a
 *	    file of five for abandoned.
 *
 * Taking it, PATH being
 *
 *	absent		stage, link; if somebody was quicker, look again
 *	locked		a holder lives: wait in the kernel's queue (lock_wait.h), then look again
 *	unlocked, stale	take over; where another one is in the middle of that, look again by the
 *			backoff of holdfast/clock.h, with nothing held
 *	unlocked	another program's, or not to be judged: held. That one is foreign (lock.h):
 *			everything is given back, and it alone is waited for, by file_watch.h. The
 *			death of its PID makes it stale at once.
 *
 * The queue outlives the file (lock/dotlock_queue.h). A waiter that gets the lock of a record which
 * PATH no longer names keeps it until it has given PATH back: those behind it stay in their order,
 * and one is woken by one hand-over, not all.
 *
 * "Never two holders" binds those who follow D2. dotlockfile removes a file that is five minutes
 * old, or whose PID it takes for dead, without locking it; anybody who can write to the directory
 * can remove the file. A holder asks hf_dot_lost(). Whoever can read the record can lock it, and so
 * keep others waiting: make a directory for locks that only its users can read.
 *
 * PATH is what it says, never a link: a symbolic link is refused, as is anything but a regular file
 * (HF_DATA). A dotlock cannot be shared (HF_USAGE). Two names of one file are two dotlocks.
 *
 * A crash leaves at most PATH, which the next one takes over, and ".holdfast.NAME.dot" and
 * ".holdfast.NAME.queue", which he removes; no crash leaves two holders. A background process that
 * the command leaves behind does not keep the lock: it is given back by removing PATH. Signals are
 * as holdfast/lock_wait.h says.
 */

#include <stdbool.h>

#include <holdfast/clock.h>
#include <holdfast/lock.h>

#define HF_DOT_TOUCH (120 * HF_SECOND)

extern const struct hf_lock_ops hf_lock_dot;

/* D5, to be called every HF_DOT_TOUCH while it is held, or inherited: who took it may be dead. Does
 * nothing for another kind of lock. */
void hf_dot_touch(const struct hf_lock *lock);

/* Has PATH been taken from the holder? */
bool hf_dot_lost(const struct hf_lock *lock);

#endif
