/* SPDX-License-Identifier: ISC */
#ifndef HF_EVIDENCE_H
#define HF_EVIDENCE_H

/*
 * Is a lock stale? Collect the evidence and give a verdict on a lock whose existence is the lock: a
 * dotlock, a PID file, a lock directory.
 *
 * README.md has the verdicts and the rules (stale/E1 to E7). `alone` declares that no other process
 * can hold the lock.
 *
 * A verdict is a snapshot. A caller that acts on STALE holds flock(2) on the judged inode, has
 * checked that the path still names it, and judges under that lock. Changes and waits for nothing;
 * reads all processes for half a second at most. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "stale/lock_owner.h"
#include <holdfast/proc.h>

enum hf_verdict {
	HF_VERDICT_FREE, /* there is no such lock, or no process has it */
	HF_VERDICT_HELD,
	HF_VERDICT_STALE,
	HF_VERDICT_UNKNOWN, /* no judgement is possible, so it counts as held */
};

struct hf_stale_query {
	int fd;	     /* the lock, open for reading: a regular file or a directory */
	int place;   /* its directory, for stale/E6; -1: do not check */
	bool locked; /* the caller holds flock(2) on it */
	bool alone;
	int64_t stale_after; /* nanoseconds; HF_NEVER: age does not count */
};

enum { HF_REASONS_MAX = 12 };

struct hf_evidence {
	enum hf_verdict verdict;
	struct hf_lock_owner_info record;
	pid_t pid;   /* a living process that holds it, if known; otherwise 0 */
	bool hidden; /* not every process could be inspected */
	int count;
	char reason[HF_REASONS_MAX][256]; /* printable; the last one decided */
};

void hf_evidence_judge(const struct hf_stale_query *of, struct hf_evidence *evidence);

/* The single steps, for a module that judges locks of another kind (gitlock/git_evidence.h). They
 * return true if they have decided. hf_evidence_say() adds a reason. */
void hf_evidence_say(struct hf_evidence *evidence, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Set the verdict HELD, by this process (0: unknown). Return true. */
bool hf_evidence_set_held(struct hf_evidence *evidence, pid_t pid);

/* stale/E1 */
bool hf_evidence_by_flock(const struct hf_stale_query *of, struct hf_evidence *evidence);

/* stale/E5; with `place` also E6; and whether the PID `inner` (0: do not check) lives in an inner
 * namespace. */
bool hf_evidence_by_users(const struct hf_stale_query *of, pid_t inner, bool place,
			  struct hf_evidence *evidence);

/* stale/E7 */
bool hf_evidence_by_age(const struct hf_stale_query *of, const struct stat *st,
			struct hf_evidence *evidence);

/* Return true if the process certainly started after the file was last written (stale/E4). */
bool hf_evidence_is_later(const struct hf_proc *proc, const struct stat *st);

/* Format "PID 4711 of host 'atlas'" from owner information. Return out. */
enum { HF_OWNER_SIZE = HOST_NAME_MAX + 40 };
char *hf_evidence_owner(char *out, size_t size, const struct hf_lock_owner_info *record);

/* Return the reason that decided; if there is none, that the lock may not be read. */
const char *hf_evidence_why(const struct hf_evidence *evidence);

/* Return "free", "held", "stale" or "unknown". */
const char *hf_verdict_name(enum hf_verdict verdict);

/* Return true if other hosts can write to the file system of this file, or if that is unknown. */
bool hf_is_shared_fs(int fd);

/* Return true if a device and inode number certainly identifies a file of this file system, for as
 * long as the file exists. */
bool hf_inodes_identify(int fd);

#endif
