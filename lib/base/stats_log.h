/* SPDX-License-Identifier: ISC */
#ifndef HF_STATS_LOG_H
#define HF_STATS_LOG_H

/*
 * Statistics of locks: with HOLDFAST_STATS=FILE, one line for each acquisition.
 *
 *	holdfast-stats-1 1764067323412 lock-run 4711 file taken 1 1234 500123 0 /var/lock/nightly
 *
 * README.md explains the fields and the rules base/S1 to S5: statistics never refuse a lock or
 * change an exit status, and a line is one write(2), after the lock is released. Locks are named by
 * their real path.
 *
 * The parser reads what any program may have written. Never fails. Thread-safe; not
 * async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HF_STATS_ENV "HOLDFAST_STATS"

enum { HF_STATS_LINE = 4096, HF_STATS_WORD = 32 };

enum hf_outcome {
	HF_OUTCOME_TAKEN,
	HF_OUTCOME_TIMEOUT, /* not within the time, or the victim of a deadlock */
	HF_OUTCOME_BUSY,    /* not at once, without waiting */
	HF_OUTCOME_BROKEN,  /* not an acquisition: lock-break moved it aside */
};

/* Return "taken", "timeout", "busy" or "broken". */
const char *hf_outcome_name(enum hf_outcome outcome);

struct hf_stats_line {
	int64_t when; /* wall clock, milliseconds */
	char tool[HF_STATS_WORD], kind[HF_STATS_WORD];
	int pid;
	enum hf_outcome outcome;
	bool contended;
	int64_t waited, held; /* microseconds; held < 0: unknown */
	int breaks;
	char lock[PATH_MAX];
};

/* Parse a line of `size` bytes, without its end. Return false if it is malformed. */
bool hf_stats_parse(const char *text, size_t size, struct hf_stats_line *line);

/* Format a line with '\n'. Return its length, less than HF_STATS_LINE. */
size_t hf_stats_format(const struct hf_stats_line *line, char out[HF_STATS_LINE]);

/* Return where lines go, with the present name of this program (a keeper's is overwritten later).
 * The caller frees it with free(3). NULL: statistics are off. */
struct hf_stats_sink {
	char tool[HF_STATS_WORD];
	char path[]; /* absolute */
};
struct hf_stats_sink *hf_stats_open(void);

/* Return the name of a lock: its real path, or if it is absent, its directory's with the name. The
 * caller frees it; it may be NULL. */
char *hf_stats_name(const char *path);

/* Lines that are written together. */
struct hf_stats {
	char text[HF_STATS_LINE];
	size_t size;
};

/* Add a line of this process, now; a full buffer is written first. waited and held are nanoseconds;
 * held < 0: unknown. */
struct hf_stats_event {
	const char *lock, *kind;
	enum hf_outcome outcome;
	bool contended;
	int64_t waited, held;
	int breaks;
};
void hf_stats_add(struct hf_stats *stats, const struct hf_stats_sink *sink,
		  const struct hf_stats_event *event);

/* Write the buffer. */
void hf_stats_flush(struct hf_stats *stats, const struct hf_stats_sink *sink);

/* Write the line of a lock that was moved aside. */
void hf_stats_broken(const char *path, const char *kind);

#endif
