/* SPDX-License-Identifier: ISC */
#ifndef STRESS_H
#define STRESS_H

/*
 * Exactly once, under SIGKILL: what the parts of the stress rig share (stress.c has its purpose).
 *
 *	stress.c	options, the loop, the killer, the report
 *	writers.c	the writers: what each kind runs, and how an attempt ended
 *	ledger.c	what was acknowledged, what the files have, and the comparison
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rig.h"

/*
 * Texts. A text is one line, known by its number: "line NUMBER letters…", of 40, 1000 or 200000
 * bytes. So a whole line differs from a part of one, and from two that run into each other.
 */

/* The line of this number, with its newline; to be freed. */
struct rig_bytes ledger_line(unsigned int number);

/* What is known of the attempts to add one text. Those by atomic-record are counted apart, since
 * the database shows how many of them were committed. */
struct ledger_text {
	unsigned int done, maybe;	    /* acknowledged; killed, or not known (79) */
	unsigned int rows_done, rows_maybe; /* the same, by atomic-record */
	unsigned int lines, rows;	    /* found in all files; in the database */
};

struct ledger {
	struct ledger_text *text;
	unsigned int texts;
	unsigned int lines;	/* whole ones found */
	unsigned int late;	/* of killed writers, found all the same */
	unsigned int late_rows; /* the same, of killed runs of atomic-record */
	unsigned int torn;	/* parts of lines at the end of a rotated file */
	unsigned int wrong;
};

/* The counts of a text, which is added if it is new. */
struct ledger_text *ledger_of(struct ledger *l, unsigned int number);

/* Count the lines of a file. rotated: a part of a line may be at its end, since the append that
 * would cut it off comes to another file. */
void ledger_read(struct ledger *l, const char *path, bool rotated);

/* Count the rows: the output of a query for "number|count". */
void ledger_rows(struct ledger *l, const char *output);

/* Compare, text by text. Reports the first few that are wrong. */
void ledger_judge(struct ledger *l);

/* Say what is wrong, a few times only. */
void ledger_wrong(struct ledger *l, unsigned int count, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Writers.
 */

enum { WRITERS_MAX = 32 };

struct writer {
	char kind; /* i, a: append, in place or not; u: update; w: write; r, g: record, with Git */
	unsigned int place;
	pid_t pid; /* 0: none runs */
	unsigned int number;
	bool mortal; /* this attempt may be killed */
	long due;    /* when the next attempt begins, rig_now_ms() */
};

struct writers {
	const char *bin; /* the directory of the tools */
	struct ledger ledger;
	unsigned int texts; /* so many different ones; 0: each attempt has its own */
	bool apart;	    /* attempts that may be killed, two of three, have others */
	unsigned int pause; /* before an attempt, at most so many milliseconds */
	unsigned int count;
	struct writer writer[WRITERS_MAX];

	unsigned int attempts, done, unsure, refused, unknown, killed;
};

/* In the current directory: the file is "f". */
void writer_start(struct writers *all, struct writer *w);

/* It has ended, with this status of waitpid(2). */
void writer_ended(struct writers *all, struct writer *w, int status);

/* Run a tool, to its end, with this standard input (or NULL); its exit status. Its standard output,
 * if wanted, is to be freed. */
int writers_run(const struct writers *all, const char *const argv[], const char *input,
		char **output);

#endif
