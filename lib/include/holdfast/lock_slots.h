/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_SLOTS_H
#define HF_LOCK_SLOTS_H

/*
 * The kind "slots": at most N holders at once.
 *
 * A holder has, through one open description of the lock file,
 *
 *	- flock(2), shared: an exclusive lock on the file therefore means that no process is in
 *	  any slot, and excludes every slot;
 *	- one byte of N, locked with an fcntl(2) open file description lock: the slot.
 *
 * The bytes begin at HF_SLOT_BASE, where no file has content and no other program locks. Nothing is
 * written, but the kernel grants such a lock only on a descriptor open for writing, and does not
 * execute such a file (ETXTBSY): a script can be its own lock file, but not with slots. Slots have
 * the numbers 0 to N-1. All users of a lock file should use the same N; a user with a smaller N
 * sees the first slots only.
 *
 * Waiting. A process that finds all slots taken holds the gate, one byte below the slots; the
 * others wait for the gate in the kernel's queue, in order. The process at the gate waits for any
 * slot. inotify reports when a description of the file is closed; the backoff of holdfast/clock.h
 * covers what inotify does not report (an unlocked byte, no inotify instance, another machine).
 *
 * A command that runs in a slot inherits it, and a nested wait for a slot of the same file is
 * satisfied by it. Under an inherited exclusive lock the slots are shared among the children.
 * Deadlocks among waiters for slots are not detected, nor an ancestor that holds a slot and has not
 * passed it on (lock-run -o): such a wait ends only at the deadline.
 *
 * The command inherits the description and the slot; both are free when the last copy is closed.
 */

#include <stdint.h>

#include <holdfast/lock.h>

#define HF_SLOT_BASE INT64_C(0x484f4c4400000000)
enum { HF_SLOTS_MAX = 10000 };

/* The mode of such a lock does not matter. */
extern const struct hf_lock_ops hf_lock_slots;

/* Set N for a lock of this kind, before the set is acquired. */
void hf_lock_slots_set(struct hf_lock *lock, int count);

/* Return the number of the slot that a lock of this kind holds; -1: it holds none. */
int hf_lock_slot(const struct hf_lock *lock);

#endif
