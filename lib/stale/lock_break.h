/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_BREAK_H
#define HF_LOCK_BREAK_H

/*
 * Break a stale lock, by proof: move it to the quarantine.
 *
 * For locks whose existence is the lock: a file or a directory. README.md has the steps (stale/B1
 * to B3). A lock is moved to .holdfast-quarantine/NAME.TIME.PID in its directory, never deleted.
 *
 * A quarantine that belongs to another user, or is no directory, is not used: then it is
 * .holdfast-quarantine.1, and so on to .9. Errors: HF_NOPERM: none can be used. Never waits; reads
 * processes for half a second at most. A crash leaves the lock in its place or in the quarantine.
 * Thread-safe.
 */

#include <limits.h>

#include "stale/evidence.h"
#include <holdfast/err.h>
#include <holdfast/path.h>

#define HF_QUARANTINE ".holdfast-quarantine"
enum { HF_OTHER_NAMES = 9 };

struct hf_break_options {
	int64_t stale_after; /* as in stale/evidence.h */
	bool alone, dry_run;
};

/* The verdict is FREE if there is no such lock. */
struct hf_break_result {
	struct hf_evidence evidence;
	/* The destination, from the lock's directory, or from how->base. "": the lock was not
	 * moved; a stale one was left because of dry_run. */
	char moved[NAME_MAX + 64];
};

/* For locks with other rules: how to judge, and a quarantine in `base`. It belongs to the caller
 * and has mode 0700; or it is shared, with the mode and owner of `base`. */
struct hf_break_rules {
	void (*judge)(const void *context, const struct hf_stale_query *of,
		      struct hf_evidence *evidence);
	const void *context;
	int base;
	const char *quarantine;
	bool shared;
	const char *kind; /* for base/stats_log.h; NULL: a dotlock or a directory */
};

/* Break the lock at path if it is stale. HF_OK: broken describes the result. Other: nothing was
 * done. */
enum hf_status hf_break(const char *path, const struct hf_break_options *options,
			struct hf_break_result *broken, struct hf_err *err);

/* The same for the entry target->name, judged by how->judge. */
enum hf_status hf_break_at(const struct hf_target *target, const struct hf_break_rules *how,
			   const struct hf_break_options *options, struct hf_break_result *broken,
			   struct hf_err *err);

#endif
