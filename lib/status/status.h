/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_H
#define HF_STATUS_H

/*
 * What lock-status prints: a list of rows, one for each lock, with state, holders, waiters and
 * reasons.
 *
 *	hf_status_start(&list, &err);			read all processes once
 *	hf_status_path(&list, "x.lock", &err);		rows for a path (status/status_file.h)
 *	hf_status_all(&list, &err);			rows for every lock that is held
 *	... list.rows[0 ... list.count - 1] ...
 *	hf_status_free(&list);
 *
 * README.md describes the states. Takes no lock and changes nothing. Waits only for keepers, 0.2 s
 * each at most. Strings other than the reasons need hf_escape() before they are printed.
 * Thread-safe; a list belongs to one thread.
 */

#include "probe/lock_table.h"
#include "stale/evidence.h"
#include <holdfast/err.h>

/* Return the advice for a state, as in "held: leave it". */
const char *hf_status_verdict(enum hf_verdict state);

/* A holder or a waiter. */
struct hf_lock_process {
	pid_t pid; /* 0: a process that this one may not see */
	int fd;	   /* or -1 */
	enum hf_via via;
	bool exclusive;
	int64_t start, last; /* bytes of a range: probe/proc_locks.h */
	int64_t since;	     /* wall clock: when the process was started; 0: unknown */
	char command[160];   /* "": unknown */

	/* At a database: what the process does ("writes to it"), and whether it pins the log. */
	const char *role; /* or NULL */
	bool pins;

	/* A keeper (keeper/keeper_client.h) that answers. */
	bool keeps;
	pid_t owner;  /* 0: none */
	int64_t left; /* nanoseconds of its time to live; HF_NEVER: unlimited */
};

/* Return "taken", "inherited", "reported", "unseen" or "evidence". */
const char *hf_via_name(enum hf_via via);

struct hf_status_row {
	const char *kind; /* "flock", "posix", "ofd", "dotlock", …: borrowed */
	char *path;	  /* NULL: unknown */
	bool deleted;	  /* the path no longer names it */
	struct hf_lock_id id;
	enum hf_verdict state;
	bool mine;
	int64_t taken;				   /* wall clock: when it was taken; 0: unknown */
	struct hf_lock_process *holders, *waiters; /* the taker first, then the oldest */
	size_t holder_count, waiter_count;
	char *reasons; /* lines, each with a newline; or NULL */
};

enum { HF_ANCESTORS_MAX = 256 };

struct hf_lock_status {
	struct hf_lock_table table;
	pid_t family[HF_ANCESTORS_MAX]; /* the ancestors of this process */
	size_t family_count;
	struct hf_status_row *rows;
	size_t count;
};

/* Read all processes. HF_UNAVAILABLE: /proc is not mounted. */
enum hf_status hf_status_start(struct hf_lock_status *list, struct hf_err *err);

void hf_status_free(struct hf_lock_status *list);

/* For sources. NULL or false: out of memory. */

/* Add a row; path (or NULL) is copied. The result is valid until the next row is added. */
struct hf_status_row *hf_status_add(struct hf_lock_status *list, const char *kind,
				    const char *path);

/* Fill in holders, waiters, state, mine and reasons from the kernel's table. */
bool hf_status_fill(const struct hf_lock_status *list, struct hf_status_row *row,
		    const struct hf_locked_file *locked);

/* Add a holder that is not in the kernel's table. */
bool hf_status_holder(const struct hf_lock_status *list, struct hf_status_row *row, pid_t pid);

/* Fill in state, reasons and holder from the evidence on a lock whose existence is the lock. */
bool hf_status_judged(const struct hf_lock_status *list, struct hf_status_row *row,
		      const struct hf_evidence *evidence);

/* Add a line to the reasons. */
bool hf_status_reason(struct hf_status_row *row, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Return "flock", "posix" or "ofd". */
const char *hf_status_kind(enum hf_lock_type type);

/* Report lack of memory. Return HF_OS. */
enum hf_status hf_status_no_memory(struct hf_err *err);

#endif
