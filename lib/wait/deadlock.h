/* SPDX-License-Identifier: ISC */
#ifndef HF_CIRCLE_H
#define HF_CIRCLE_H

/*
 * Circles: waiters for flock(2) of which none can ever go on.
 *
 *	lock-run a sh -c 'lock-run b …'		holds a, waits for b
 *	lock-run b sh -c 'lock-run a …'		holds b, waits for a
 *
 *	h=$(lock-acquire --owner $$ a); lock-run b …	the same, through a keeper
 *	h=$(lock-acquire --owner $$ b); lock-run a …	and its owner
 *
 * A waiter keeps from being freed whatever it or its ancestors hold, or have kept
 * (wait/ancestor_locks.h): from a keeper the way leads to its owner, and from there to whoever
 * waits below it. Following from a waiter to the lock that it waits for, from there to the waiters
 * that keep that lock, and so on, one may come back to the first: then all of them stand still.
 * flock(1) takes part in circles like anybody else, but cannot give up; a waiter of this library is
 * known by the name of its watching thread, HF_WATCH_NAME. Exactly one of these gives up: the
 * youngest, by start time and then PID, so that all who look at one circle name the same. Where
 * several circles share waiters, the youngest of all is the youngest of each circle that it is in:
 * there is always one who gives up.
 * A look takes its time, and the youngest may be gone meanwhile: so who finds himself to be it
 * looks again whether all the others still wait.
 *
 * What may not be looked at (another user's descriptors, another namespace's processes) can hide a
 * circle; then only the deadline ends the wait. An ancestor that does not really wait for its child
 * (a shell with a child in the background) counts as if it did.
 *
 * A look reads the descriptors of every waiter that could be in the circle, of its ancestors and
 * of their keepers, and ends after half a second at most. Never blocks. Thread-safe.
 */

#include "wait/ancestor_locks.h"

#define HF_WATCH_NAME "holdfast-watch" /* at most 15 bytes, proc(5) */

enum hf_deadlock {
	HF_DEADLOCK_NONE,   /* none is to be seen */
	HF_DEADLOCK_OTHER,  /* there is one, and another one gives up */
	HF_DEADLOCK_VICTIM, /* there is one, and it is for this process to give up */
};

/*
 * This process waits for fd's file: is it in a circle? family is its own. text (NULL: not wanted)
 * gets, for HF_DEADLOCK_VICTIM, who holds what: "it is held by PID 11 (…), which waits for 'b',
 * held by PID 12 (lock-acquire, for PID 13 (x.sh)), a keeper, under whose owner PID 14 waits for
 * 'c', held by PID 15 (…), this command's own ancestor".
 */
enum hf_deadlock hf_deadlock_find(int fd, const struct hf_lock_entries *records,
				  struct hf_keepers *keepers,
				  const struct hf_ancestor_locks *family, char *text, size_t size);

#endif
