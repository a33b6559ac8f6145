/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_H
#define HF_STATUS_H

/*
 * What lock-status shows: a list of rows, each of them one lock, with its state, who holds it, who
 * waits for it, and why that is so.
 *
 *	hf_status_start(&list, &err);			one look at all processes
 *	hf_status_path(&list, "x.lock", &err);		what stands at a path (status/status_file.h)
 *	hf_status_all(&list, &err);			everything that is held
 *	… list.rows[0 … list.count - 1] …
 *	hf_status_free(&list);
 *
 * Where rows come from is a source: a function that adds rows by hf_status_add() and fills them.
 * A kind of lock with rules of its own has a source of its own, in a room of its own.
 *
 * States:
 *
 *	FREE	nobody has it, as far as can be seen. By the time that this is read, somebody may:
 *		who wants the lock takes it.
 *	HELD	a process has it, or can be its owner and lives
 *	STALE	its owner is proved dead (stale/evidence.h); it is in the way of others all the same
 *	UNKNOWN	cannot be judged; counts as held
 *
 * `mine`: the process that looks runs under it, by a descriptor that it inherited, since an
 * ancestor holds it, or since a keeper holds it for an ancestor.
 *
 * A look takes no lock and changes nothing, with one exception that probe/file_users.h describes
 * and that lasts for an instant. It waits for nothing but for keepers to say whom they keep a lock
 * for, and for each of these 0.2 s at most. Strings are as the kernel or a file has them,
 * but for the reasons, which are printable: hf_escape() before they are shown. Thread-safe; a list
 * belongs to one thread.
 */

#include <holdfast/err.h>
#include "probe/lock_table.h"

enum hf_status_state {
	HF_STATE_FREE,
	HF_STATE_HELD,
	HF_STATE_STALE,
	HF_STATE_UNKNOWN,
};

/* "free", "held", "stale", "unknown" */
const char *hf_status_state_name(enum hf_status_state state);

/* May it be removed? "leave it: somebody has it", … */
const char *hf_status_verdict(enum hf_status_state state);

/* Who holds, or waits. */
struct hf_lock_process {
	pid_t pid;     /* 0: a process that may not be seen */
	int fd;	       /* or -1 */
	enum hf_via via;
	bool exclusive;
	int64_t start, last; /* of a range: probe/proc_locks.h */
	int64_t since;	     /* wall clock, when the process was started; 0: not known */
	char command[160];   /* "": not known */

	/* At a database: what it does there ("writes to it"); and whether it pins the log. */
	const char *role; /* or NULL */
	bool pins;

	/* A keeper (keeper/keeper_client.h) that answers. */
	bool keeps;
	pid_t owner;  /* 0: none */
	int64_t left; /* ns of its time to live; HF_NEVER: not limited */
};

/* "taken", "inherited", "reported", "unseen", "evidence" */
const char *hf_via_name(enum hf_via via);

struct hf_status_row {
	const char *kind; /* "flock", "posix", "ofd", "dotlock", …: borrowed */
	char *path;	  /* NULL: not known */
	bool deleted;	  /* the path names it no more */
	struct hf_lock_id id;
	enum hf_status_state state;
	bool mine;
	int64_t taken; /* wall clock, when it was taken; 0: not known */
	struct hf_lock_process *holders, *waiters; /* the eldest first */
	size_t holder_count, waiter_count, holder_room, waiter_room;
	char *reasons; /* lines, each with '\n' behind it; or NULL */
};

enum { HF_ANCESTORS_MAX = 256 };

struct hf_lock_status {
	struct hf_lock_table table;
	pid_t family[HF_ANCESTORS_MAX]; /* this process's ancestors */
	size_t family_count;
	struct hf_status_row *rows;
	size_t count, room;
};

/* The look. HF_UNAVAILABLE: /proc is not mounted. */
enum hf_status hf_status_start(struct hf_lock_status *list, struct hf_err *err);

void hf_status_free(struct hf_lock_status *list);

/*
 * For sources. NULL, false: no memory.
 */

/* A new row; path (or NULL) is copied. Valid until the next one is added. */
struct hf_status_row *hf_status_add(struct hf_lock_status *list, const char *kind,
				    const char *path);

/* What the kernel knows: holders, waiters, state, mine, and reasons. */
bool hf_status_fill(const struct hf_lock_status *list, struct hf_status_row *row,
		    const struct hf_locked_file *locked);

/* A holder that something else than the kernel's table names. */
bool hf_status_holder(const struct hf_lock_status *list, struct hf_status_row *row, pid_t pid);

/* One more line that says why. */
bool hf_status_reason(struct hf_status_row *row, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "flock", "posix", "ofd" */
const char *hf_status_kind(enum hf_lock_type type);

/* HF_OS, in the words of all sources. */
enum hf_status hf_status_no_memory(struct hf_err *err);

#endif
