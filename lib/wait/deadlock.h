/* SPDX-License-Identifier: ISC */
#ifndef HF_DEADLOCK_H
#define HF_DEADLOCK_H

/*
 * Deadlocks: cycles of processes that wait for each other's flock(2) locks. README.md describes the
 * search and the victim.
 *
 * A search reads the descriptors of every waiter that could be in a cycle, of its ancestors and of
 * their keepers. It ends after half a second at most. Never blocks. Thread-safe.
 */

#include "wait/ancestor_locks.h"

#define HF_WATCH_NAME "holdfast-watch" /* at most 15 bytes, proc(5) */

enum hf_deadlock {
	HF_DEADLOCK_NONE,   /* none is visible */
	HF_DEADLOCK_OTHER,  /* there is one, with another victim */
	HF_DEADLOCK_VICTIM, /* there is one, and this process is its victim */
};

/*
 * This process waits for fd's file: find out whether it is in a deadlock. family is that of this
 * process. For HF_DEADLOCK_VICTIM, text (or NULL) describes the cycle: "it is held by PID 11 (…),
 * which waits for 'b', held by PID 12 (lock-acquire, for PID 13 (x.sh)), a keeper, under whose
 * owner PID 14 waits for 'c', held by PID 15 (…), this command's own ancestor".
 */
enum hf_deadlock hf_deadlock_find(int fd, const struct hf_lock_entries *records,
				  struct hf_keepers *keepers,
				  const struct hf_ancestor_locks *family, char *text, size_t size);

#endif
