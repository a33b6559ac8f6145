/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_DOT_H
#define HF_LOCK_DOT_H

/*
 * The kind "dotlock": the existence of a file is the lock, as for dotlockfile(1), procmail's
 * lockfile(1) and PID files. It excludes all of these.
 *
 * The file contains its owner's PID, host, boot and start time. Every process that works under the
 * lock also locks the file with flock(2), so the kernel knows which process lives, and waiters wait
 * in its queue.
 *
 *	- The file is complete and locked when it receives its name PATH; it is never seen empty.
 *	- A process removes or replaces PATH only if it holds flock(2), exclusive, on the inode
 *	  that PATH names, and is its owner or has judged it stale under that lock.
 *	- A command inherits the descriptor: a killed wrapper's lock is held until its command
 *	  exits.
 *	- A takeover replaces a stale file in one step, so PATH always exists while the lock is
 *	  held.
 *
 * If PATH is absent, it is created. If a living holder has it locked, the process waits in the
 * kernel's queue. If it is stale, it is taken over; while another process's takeover is in
 * progress, the process backs off with nothing held. The file of another program, or one that
 * cannot be judged, counts as held: the set releases everything and waits for that file alone; the
 * exit of its PID makes it stale at once.
 *
 * Limits. dotlockfile removes a file that is five minutes old, or whose PID it believes dead,
 * without locking it, and every user who may write to the directory may remove the file. A holder
 * can call hf_dot_lost(). Every user who may read the file may lock it and delay others: use a
 * directory that only the users of the lock can read.
 *
 * PATH must not be a symbolic link, or anything but a regular file (HF_DATA). A dotlock cannot be
 * shared (HF_USAGE). Two names of one file are two dotlocks.
 *
 * Crash: PATH may remain, and is taken over by the next process; so may ".holdfast.NAME.dot" and
 * ".holdfast.NAME.queue", which it removes. There are never two holders. A background process that
 * the command leaves does not keep the lock: release removes PATH. Signals: as in
 * holdfast/lock_wait.h.
 */

#include <stdbool.h>

#include <holdfast/clock.h>
#include <holdfast/lock.h>

#define HF_DOT_TOUCH (120 * HF_SECOND)

extern const struct hf_lock_ops hf_lock_dot;

/* Set the file's modification time, since dotlockfile and procmail regard a file of five minutes as
 * abandoned. Call it every HF_DOT_TOUCH while the lock is held or inherited (the process that took
 * it may be dead). Does nothing for another kind of lock. */
void hf_dot_touch(const struct hf_lock *lock);

/* Return true if PATH was taken away from the holder. */
bool hf_dot_lost(const struct hf_lock *lock);

#endif
