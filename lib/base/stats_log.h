/* SPDX-License-Identifier: ISC */
#ifndef HF_STATS_H
#define HF_STATS_H

/*
 * How often a lock is taken, how long it is waited for, how long it is held: one line in a file for
 * each time, where HOLDFAST_STATS=FILE is set.
 *
 *	holdfast-stats-1 1764067323412 lock-run 4711 file taken 1 1234 500123 0 /var/lock/nightly
 *	                 when          tool     pid  kind outcome
 *	                 contended: somebody else had it when it was asked for
 *	                 waited and held, in microseconds ("-": not known)
 *	                 breaks: stale ones that were moved out of the way
 *
 *	S1  Never is a lock refused, or lost, or another exit status given, because of this: what
 *	    cannot be written is not written, and nobody is told.
 *	S2  A line is one write(2) of less than HF_STATS_LINE bytes with O_APPEND, so lines of
 *	    different processes do not mix. Several locks of a set are several lines of one write.
 *	    Only a full disk can tear one; who reads them skips that.
 *	S3  It is written when the lock has been given back, so that it makes nobody wait; for one
 *	    that was not had, when that is clear. A lock that is left to a command (lock-run -F) has
 *	    its line when it is taken, and "-" for the time that it is held. Who is killed leaves
 *	    none. What was inherited or borrowed is no acquisition.
 *	S4  FILE is created 0666 & ~umask if it is absent, and must be a regular file and no link:
 *	    writing to a FIFO or a device could block. It is never truncated.
 *	S5  Without the variable it costs a getenv(3).
 *
 * Locks are named by their real path, so that all spellings are one; blanks, backslashes and
 * control characters in it are "\xHH", and a path that is too long has its end only, behind "...".
 *
 * The parser reads what anybody may have written. Thread-safe; not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_STATS_ENV "HOLDFAST_STATS"

enum { HF_STATS_LINE = 4096, HF_STATS_WORD = 32 };

enum hf_outcome {
	HF_OUTCOME_TAKEN,
	HF_OUTCOME_TIMEOUT, /* not within the time, or given up in a circle */
	HF_OUTCOME_BUSY,    /* not at once, and it was not to be waited for */
	HF_OUTCOME_BROKEN,  /* not asked for: lock-break moved it aside */
};

/* "taken", "timeout", "busy", "broken" */
const char *hf_outcome_name(enum hf_outcome outcome);

struct hf_stats_line {
	int64_t when; /* wall clock, milliseconds */
	char tool[HF_STATS_WORD], kind[HF_STATS_WORD];
	int pid;
	enum hf_outcome outcome;
	bool contended;
	int64_t waited, held; /* microseconds; held < 0: not known */
	int breaks;
	char lock[PATH_MAX];
};

/* false: it is no such line. size is without the line's end. */
bool hf_stats_parse(const char *text, size_t size, struct hf_stats_line *line);

/* As text, with '\n'; its length, less than HF_STATS_LINE. */
size_t hf_stats_format(const struct hf_stats_line *line, char out[HF_STATS_LINE]);

/* Where lines go, and the name of this program as it is now (a keeper's is overwritten). To be
 * freed by free(3). NULL: nowhere. */
struct hf_stats_sink {
	char tool[HF_STATS_WORD];
	char path[]; /* absolute */
};
struct hf_stats_sink *hf_stats_open(void);

/* The name of a lock: its real path, or where it is absent its directory's and the name in it. To
 * be freed, or NULL. */
char *hf_stats_name(const char *path);

/* Lines that are written together. */
struct hf_stats {
	char text[HF_STATS_LINE];
	size_t size;
};

/* Add a line of this process, now; a full buffer is written first. waited and held are
 * nanoseconds, held < 0 is not known. */
struct hf_stats_event {
	const char *lock, *kind;
	enum hf_outcome outcome;
	bool contended;
	int64_t waited, held;
	int breaks;
};
void hf_stats_add(struct hf_stats *stats, const struct hf_stats_sink *sink,
		  const struct hf_stats_event *event);

/* Write what there is. */
void hf_stats_flush(struct hf_stats *stats, const struct hf_stats_sink *sink);

/* A lock that was moved aside, for its own sake: the whole line. */
void hf_stats_broken(const char *path, const char *kind);

#endif
