/* SPDX-License-Identifier: ISC */
#ifndef HF_EVIDENCE_H
#define HF_EVIDENCE_H

/*
 * Is a lock stale? Evidence, and a verdict. Everything that judges a lock whose existence is the
 * lock (dotlocks, PID files, lock directories with a `pid` file) asks here.
 *
 *	HELD	a process that can be its owner lives
 *	STALE	proved: its owner is dead; or past the age limit, every possible owner was looked
 *		at, and none lives
 *	UNKNOWN	cannot be judged; counts as held
 *
 * The evidence, in this order; the first that decides, decides:
 *
 *	E1  flock(2) on it, by anybody: HELD. (The one who judges under this lock himself says so.)
 *	E2  Boot and host, where the record names them. This boot: go on. Another boot: on a local
 *	    file system of this host STALE (an earlier boot); another host's, or on a network file
 *	    system, UNKNOWN.
 *	E3  The PID namespace: another one's UNKNOWN. A plain PID names none: seen from any but the
 *	    first namespace, one that is dead here may live outside: UNKNOWN.
 *	E4  The PID. Dead, or a zombie: STALE, if E5 finds nobody. Alive: HELD, unless it started at
 *	    another time than the record says: then the number is used again, and it is STALE. A
 *	    start time that lies in the future says nothing. A plain PID names no boot and no start
 *	    time: alive is HELD, except that a process which started after the file was last
 *	    written is not its writer (as after a reboot). This compares clocks, and so counts only
 *	    if the wall clock has not been set since the machine was booted, as far as can be seen.
 *	    A PID that may not be signalled or looked at is alive. A plain PID is also looked for
 *	    inside the PID namespaces below this one.
 *	E5  Who has the file open for writing, or holds any lock on it: HELD. Reading alone is what
 *	    those who wait do. Not asked for a record of ours, since E1 answers it.
 *	E6  Who works in that place: a process whose working directory is the lock's directory, the
 *	    one who judges and his ancestors apart. It decides only where there is no PID.
 *	E7  Age, where there is no PID: past the limit (stale_after) STALE, if E5 and E6 could look
 *	    at every process and found none. The age is by the wall clock, and a file from the
 *	    future has none.
 *
 * `alone`: the user declares that nobody else is there, on no other host, in no other namespace, of
 * no other user. Then what cannot be looked at is taken for dead, and the age limit alone decides
 * what would be UNKNOWN. What is seen alive stays HELD.
 *
 * A verdict is of the moment. Whoever acts on STALE holds flock(2) on the very inode that is
 * judged, has checked that the path still names it, and judges under that lock.
 *
 * Nothing is taken, changed or waited for; E5 and E6 look at all processes, for half a second at
 * most. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "stale/lock_owner.h"
#include <holdfast/proc.h>

enum hf_verdict { HF_VERDICT_HELD, HF_VERDICT_STALE, HF_VERDICT_UNKNOWN };

struct hf_stale_query {
	int fd;		     /* the lock, open for reading: a regular file or a directory */
	int place;	     /* its directory, for E6; -1: not asked */
	bool locked;	     /* flock(2) on it is ours */
	bool alone;
	int64_t stale_after; /* nanoseconds; HF_NEVER: age decides nothing */
};

enum { HF_REASONS_MAX = 12 };

struct hf_evidence {
	enum hf_verdict verdict;
	struct hf_lock_owner_info record;
	pid_t pid;	/* a living process that holds it, as far as one is known; else 0 */
	bool hidden;	/* not every process could be looked at */
	int count;
	char reason[HF_REASONS_MAX][256]; /* printable; the last one decided */
};

void hf_evidence_judge(const struct hf_stale_query *of, struct hf_evidence *evidence);

/*
 * The steps, for a room that judges locks of another kind (gitlock/git_evidence.h). Those that
 * return true have decided.
 */
void hf_evidence_say(struct hf_evidence *evidence, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* E1. */
bool hf_evidence_by_flock(const struct hf_stale_query *of, struct hf_evidence *evidence);

/* E5; E6 if `place`; and is there a PID `inner` (0: not asked) in a namespace below? */
bool hf_evidence_by_lookers(const struct hf_stale_query *of, pid_t inner, bool place,
			    struct hf_evidence *evidence);

/* E7. */
bool hf_evidence_by_age(const struct hf_stale_query *of, const struct stat *st,
			struct hf_evidence *evidence);

/* Did this process start after the file was last written, beyond doubt (E4)? */
bool hf_evidence_is_later(const struct hf_proc *proc, const struct stat *st);

/* "PID 4711 of host 'atlas'", as a record of ours names its owner. Returns out. */
enum { HF_OWNER_SIZE = HOST_NAME_MAX + 40 };
char *hf_evidence_owner(char *out, size_t size, const struct hf_lock_owner_info *record);

/* The reason that decided; without any, that it may not be read. */
const char *hf_evidence_why(const struct hf_evidence *evidence);

/* "held", "stale", "not to be judged" */
const char *hf_verdict_name(enum hf_verdict verdict);

/* Is this file on a file system that other hosts can write to? true where it cannot be known. */
bool hf_is_shared_fs(int fd);

#endif
