/* SPDX-License-Identifier: ISC */
#ifndef GROUP_H
#define GROUP_H

/*
 * Several appenders that want one file at once, one of them the victim.
 *
 * The rig holds the file's flock until all of them wait, in order; then it lets go. In the end the
 * following must hold:
 *
 *	G1  A record whose appender exited 0 or 76 is in the file exactly once. One whose appender
 *	    exited otherwise is not. One whose appender died is there at most once, and with
 *	    may_be_unsure (it can read and write nothing any more) so is that of a victim which
 *	    exits 79. All are whole.
 *	G2  Only the victim fails; only if it exits 76, since the sync for all failed, may the
 *	    others too. With may_be_busy they may also exit 75, or 79 if a leader has the record.
 *	G3  No process hangs.
 *	G4  The next append succeeds, and leaves the file and no leftover. In place, a torn tail is
 *	    allowed before it, where the victim died or failed, or the power was cut.
 */

#include "rig.h"

enum { GROUP_MAX = 16 };

struct group {
	unsigned int count;  /* appenders */
	unsigned int victim; /* its place in the queue; 0: it will be the leader */
	bool may_be_busy;
	bool may_be_unsure;
	const char *victim_rule, *others_rule; /* HOLDFAST_FAULT */
	char **argv;			       /* the tool, which reads its record */
	enum rig_kind kind;
	char dir[PATH_MAX], log[PATH_MAX]; /* where the file is; the victim's fault log */

	struct rig_scenario appender[GROUP_MAX + 1]; /* the last one is the next append */
	struct rig_run run[GROUP_MAX];
};

/* Once, when the first fields are filled in. Records are written to `here`. */
void group_set_up(struct group *g, const char *here);

/* A fresh file and log. */
void group_prepare(struct group *g);

/* Start all, let go, and wait until each has ended, is stopped, or waits for a lock that does not
 * come. NULL, or what is wrong (G3). */
const char *group_play(struct group *g);

/* The victim, if it is stopped, goes on, or dies; all come to their end. NULL, or G3. */
const char *group_resume(struct group *g, bool kill_it);

/* Stop all processes that still run; return when they are stopped: copying a disk takes time. */
void group_freeze(struct group *g);

/* End all that still lives; it counts as dead. */
void group_end(struct group *g);

/* G1, G2, G4: NULL, or what is wrong. cut: the power was cut. */
const char *group_judge(struct group *g, bool cut);

#endif
