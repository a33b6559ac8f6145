/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_SLOTS_H
#define HF_LOCK_SLOTS_H

/*
 * The kind "slots": at most N at once.
 *
 * One open description holds, of the lock file,
 *
 *	S1 flock(2), shared: so an ordinary exclusive lock on the file means "nobody in any slot",
 *	   and whoever has it excludes every slot;
 *	S2 one byte of N, by an fcntl(2) open file description lock: the slot.
 *
 * The bytes lie from HF_SLOT_BASE up, where no file has content and no other program locks
 * (SQLite's are at 1 GiB). Nothing is ever written, but the kernel locks a byte exclusively only in
 * a file that is open for writing, and executes no such file (ETXTBSY): a script can be its own
 * lock, but not one with slots. Slots are numbered from 0 to N-1. All who share a lock file should
 * name the same N; whoever names a smaller one looks at the first slots only.
 *
 * Waiting. S1 comes first, by holdfast/lock_wait.h. Then the gate, one byte below the slots: who
 * finds all slots taken holds it, and all others wait behind, in the kernel's queue and in order.
 * The one at the gate waits for any slot. The kernel has no queue for that; it is told by inotify
 * when a description of the file is closed, and looks again by itself with the backoff of
 * holdfast/clock.h, which covers what inotify cannot see (a byte that is unlocked, no instance to
 * be had, another machine). Once it has a slot it opens the gate for the next.
 *
 * S1 before the gate, since the holder of an exclusive lock may run children that want slots: they
 * inherit it, and only each other can stand at the gate then.
 *
 * A nested wait for a slot of the same file, by a command that runs in one, could never end: such a
 * command inherits the slot, as /proc/self/fdinfo proves, and goes on in it. Under an inherited
 * exclusive lock the slots are shared out among the children.
 *
 * Nobody looks for circles among those who wait for slots, or for an ancestor that holds one and
 * has not handed it down (lock-run -o): such a wait ends with the deadline only.
 *
 * The command inherits the description, and with it the slot; both are free when the last copy is
 * closed, however that happens.
 */

#include <holdfast/lock.h>

#define HF_SLOT_BASE INT64_C(0x484f4c4400000000)
enum { HF_SLOTS_MAX = 10000 };

/* lock->slots is N; lock->slot is the one that was taken. The mode does not matter. */
extern const struct hf_lock_ops hf_lock_slots;

#endif
