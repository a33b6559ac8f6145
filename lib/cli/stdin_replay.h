/* SPDX-License-Identifier: ISC */
#ifndef HF_REPLAY_H
#define HF_REPLAY_H

/*
 * One standard input for several runs of a command: each gets it from its start.
 *
 *	hf_stdin_replay_open(&r, 0);
 *	again:	hf_stdin_replay_begin(&r, &command.in)	what this run reads
 *		hf_spawn(&child, &command)
 *		hf_stdin_replay_started(&r)			the child has its end
 *		hf_supervise(&child, r.io)
 *		hf_stdin_replay_end(&r)
 *	hf_stdin_replay_close(&r)
 *
 * A regular file is opened anew for each run and read from where it stood; at the close its own
 * offset is set to where the last run came, as if that one had read it. A pipe or a socket is
 * passed on through a pipe, as it comes, and kept in an unnamed file in TMPDIR (or in memory): what
 * a run did not read, or was not yet written to us, the next one gets all the same, and a command
 * that reads nothing is not kept waiting for an end that never comes. Where it can no longer be
 * kept (a full disk) this run still gets all of it, and can_again is false. Anything else
 * (a terminal, /dev/null, a closed descriptor) is inherited.
 *
 * A signal that ends us ends the run's input early, as it would in a pipeline; nothing is left on
 * disk. Not for programs that handle SIGPIPE: one that is SIG_DFL gets a handler. Single-threaded.
 */

#include <stdbool.h>
#include <sys/types.h>

#include <holdfast/err.h>
#include "base/spawn.h"

enum hf_stdin_replay_kind { HF_REPLAY_INHERIT, HF_REPLAY_FILE, HF_REPLAY_STREAM };

struct hf_stdin_replay {
	enum hf_stdin_replay_kind kind;
	bool can_again;	  /* there can be another run */
	struct hf_io *io; /* for hf_supervise(); NULL: there is nothing to do */

	int in;	      /* what is replayed */
	off_t start;  /* FILE: where it stood */
	int run;      /* FILE: this run's; STREAM: the reading end, until it is started */
	int pipe;     /* STREAM: the writing end; -1: closed */
	int kept;     /* the file that keeps it; -1: none yet */
	off_t length; /* of what is kept */
	off_t sent;   /* of it, to this run */
	bool end;     /* there is no more */
	struct hf_io feed;
};

void hf_stdin_replay_open(struct hf_stdin_replay *r, int in);

/* *in: a descriptor for struct hf_command. */
enum hf_status hf_stdin_replay_begin(struct hf_stdin_replay *r, int *in, struct hf_err *err);
void hf_stdin_replay_started(struct hf_stdin_replay *r);

/* Also after a begin whose command could not be run. */
void hf_stdin_replay_end(struct hf_stdin_replay *r);
void hf_stdin_replay_close(struct hf_stdin_replay *r);

#endif
