/* SPDX-License-Identifier: ISC */
#ifndef HF_BREAKER_H
#define HF_BREAKER_H

/*
 * Removing a stale lock, by proof.
 *
 * For locks whose existence is the lock: a file, or a directory (with or without a `pid` file).
 *
 *	B1  It is judged (stale/evidence.h) without being locked, so that a look disturbs nobody.
 *	B2  STALE: it is locked by flock(2), without waiting; the path must name it still; and it is
 *	    judged again under that lock. So of several breakers, and of those who take a stale
 *	    dotlock over (holdfast/lock_dot.h), one acts, and only on what it has judged.
 *	B3  It is moved aside, never deleted: to .holdfast-quarantine/NAME.TIME.PID in its
 *	    directory, mode 0700, by a rename that replaces nothing, and at once after another
 *	    look whether the path names it still: who removes a lock by rm(1) locks nothing. If
 *	    something else came out all the same, it is put back, unless the path is taken.
 *
 * Locks that are judged by other rules, and whose quarantine is elsewhere (gitlock/git_locks.h),
 * are broken by the same steps.
 *
 * A symbolic link cannot be judged: it is not followed. Neither can what may not be read, and what
 * is no file or directory. A quarantine that is another user's, or a link, is refused
 * (HF_NOPERM): in a sticky directory anybody could have made it.
 *
 * Never waits; looks at processes for half a second at most. A crash leaves the lock where it was,
 * or in the quarantine. Thread-safe.
 */

#include <limits.h>

#include <holdfast/err.h>
#include "stale/evidence.h"
#include <holdfast/path.h>

#define HF_QUARANTINE ".holdfast-quarantine"

struct hf_break_options {
	int64_t stale_after; /* as in stale/evidence.h */
	bool alone, dry_run;
};

enum hf_break_end {
	HF_BREAK_ABSENT, /* there is no such lock */
	HF_BREAK_STALE,	 /* stale, and left since it is a dry run */
	HF_BREAK_MOVED,
	HF_BREAK_HELD,
	HF_BREAK_UNKNOWN, /* cannot be judged, so held */
};

struct hf_break_result {
	enum hf_break_end end;
	struct hf_evidence evidence;
	char moved[NAME_MAX + 64]; /* where to, in the lock's directory, or in how->base */
};

/* For another room's locks. The quarantine is a directory in `base`, of mode `mode`; what is 0700
 * must be one's own. */
struct hf_break_rules {
	void (*judge)(const void *context, const struct hf_stale_query *of,
		      struct hf_evidence *evidence);
	const void *context;
	int base;
	const char *quarantine;
	mode_t mode;
	const char *kind; /* for base/stats_log.h; NULL: a dotlock, or a directory */
};

/* HF_OK: broken says what became of it. Anything else: nothing was done. */
enum hf_status hf_break(const char *path, const struct hf_break_options *options,
			struct hf_break_result *broken, struct hf_err *err);

/* The same of the entry target->name, by how->judge. */
enum hf_status hf_break_at(const struct hf_target *target, const struct hf_break_rules *how,
			   const struct hf_break_options *options, struct hf_break_result *broken,
			   struct hf_err *err);

#endif
