/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_TABLE_H
#define HF_LOCK_TABLE_H

/*
 * All locks of the kernel, with all their holders and waiters.
 *
 * /proc/locks and the descriptors of all processes are combined, since neither is complete.
 * README.md has the rules (probe/T1 to T5).
 *
 * Locks of one file and one type are one row. Leases are not listed. Locks that were taken outside
 * this PID namespace are invisible, unless a process inside inherited them.
 *
 * A snapshot; takes a few microseconds for each open descriptor of the machine. Changes and waits
 * for nothing. Thread-safe.
 */

#include <limits.h>

#include "probe/proc_locks.h"

enum hf_via {
	HF_VIA_TAKEN,	  /* it took the lock and holds it */
	HF_VIA_INHERITED, /* it has a descriptor that holds the lock; another process took it */
	HF_VIA_REPORTED,  /* the kernel names it; its descriptors may not be inspected */
	HF_VIA_UNSEEN,	  /* a process that this one may not see; pid is 0 */
	HF_VIA_EVIDENCE,  /* not a lock of the kernel: the owner according to stale/evidence.h */
};

struct hf_lock_table_holder {
	pid_t pid;
	int fd; /* or -1 */
	enum hf_via via;
	struct hf_lock_entry record; /* mode and range; its pid is the taker's */
};

struct hf_locked_file {
	struct hf_lock_id id;
	enum hf_lock_type type;
	char *path;   /* from a holder's descriptor; NULL: unknown */
	bool deleted; /* the path is gone, or names another file now */
	bool own;     /* this process holds it too (probe/T5) */
	struct hf_lock_table_holder *holders, *waiters; /* no holders: it is changing hands */
	size_t holder_count, waiter_count;
};

struct hf_lock_table {
	struct hf_locked_file *at;
	size_t count;
	bool hidden; /* a process could not be inspected */
};

/* Read all locks. Return false with errno if out of memory or if /proc is not mounted. */
bool hf_lock_table_read(struct hf_lock_table *table);
void hf_lock_table_free(struct hf_lock_table *table);

/* Return the row of this file and type; NULL if no such lock is held. */
struct hf_locked_file *hf_lock_table_find(const struct hf_lock_table *table,
					  const struct hf_lock_id *id, enum hf_lock_type type);

#endif
