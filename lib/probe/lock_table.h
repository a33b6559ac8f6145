/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_TABLE_H
#define HF_LOCK_TABLE_H

/*
 * Every lock that the kernel keeps, with all who hold it and all who wait: /proc/locks and the
 * descriptors of all processes, put together in one look.
 *
 * /proc/locks alone does not tell who holds a lock. It names who *took* it, which may be dead while
 * a child holds it by an inherited descriptor; it names nobody for OFD locks; and inside a PID
 * namespace it leaves out what was taken by the dead. The descriptors (/proc/PID/fdinfo) tell it,
 * but only of processes that may be looked at, and they know nothing of waiters. So:
 *
 *	T1  A holder is every process that has a descriptor with the lock, whoever took it. Five
 *	    children that inherited it are five holders; while one of them lives, it is held.
 *	T2  A lock in /proc/locks that no descriptor explains is held all the same. If its taker
 *	    lives and may not be looked at, it is named (HF_VIA_REPORTED); otherwise the holder is
 *	    "a process that you may not see".
 *	T3  T2 only of what is in /proc/locks before and after the descriptors were read, so that a
 *	    lock which is given back meanwhile is not taken for a hidden one.
 *	T4  Of two holders that exclude each other, one is from before a hand-over: the descriptors
 *	    of both are read again, and who has it no more is left out.
 *	T5  The process that looks is no holder, though it may have inherited the lock: it ends when
 *	    it has looked. `own` says that it has.
 *
 * Locks of one file and of one type are one entry. Leases are no locks that anybody waits for.
 *
 * It is a snapshot, and takes a few microseconds for each open descriptor of the machine. Locks
 * taken outside of this PID namespace are in nobody's sight, unless a process inside inherited
 * them. Nothing is taken, changed or waited for. Thread-safe.
 */

#include <limits.h>

#include "probe/proc_locks.h"

enum hf_via {
	HF_VIA_TAKEN,	  /* it took the lock, and has it */
	HF_VIA_INHERITED, /* it has a descriptor that holds it; another one took it */
	HF_VIA_REPORTED,  /* the kernel names it; its descriptors may not be looked at */
	HF_VIA_UNSEEN,	  /* somebody whom this process may not see; pid is 0 */
	HF_VIA_EVIDENCE,  /* no lock of the kernel: stale/evidence.h takes it for the owner */
};

struct hf_lock_table_holder {
	pid_t pid;
	int fd; /* or -1 */
	enum hf_via via;
	struct hf_lock_entry record; /* mode, range; its pid is the taker's */
};

struct hf_locked_file {
	struct hf_lock_id id;
	enum hf_lock_type type;
	char *path;   /* by a holder's descriptor; NULL: not known */
	bool deleted; /* the path is gone, or names another file by now */
	bool own;     /* T5 */
	struct hf_lock_table_holder *holders, *waiters; /* no holders: it is changing hands */
	size_t holder_count, waiter_count, holder_room, waiter_room;
};

struct hf_lock_table {
	struct hf_locked_file *at;
	size_t count, room;
	bool hidden; /* a process could not be looked at */
};

/* false, with errno: no memory, or /proc is not there. */
bool hf_lock_table_read(struct hf_lock_table *table);
void hf_lock_table_free(struct hf_lock_table *table);

/* Room for one more in an array of elements of this size; *at may move. false: no memory. */
bool hf_grow(void *at, size_t count, size_t *room, size_t size);

/* The entry of this file and type; NULL: no such lock is held. */
const struct hf_locked_file *hf_lock_table_find(const struct hf_lock_table *table,
						const struct hf_lock_id *id,
						enum hf_lock_type type);

#endif
