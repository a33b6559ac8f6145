/* SPDX-License-Identifier: ISC */
#ifndef HF_STDIN_REPLAY_H
#define HF_STDIN_REPLAY_H

/*
 * One standard input for several runs of a command: each run receives it from its start.
 *
 *	hf_stdin_replay_open(&r, 0);
 *	again:	hf_stdin_replay_begin(&r, &command.in)
 *		hf_spawn(&child, &command)
 *		hf_stdin_replay_started(&r)
 *		hf_supervise(&child, r.io)
 *		hf_stdin_replay_end(&r)
 *	hf_stdin_replay_close(&r)
 *
 * README.md says how files, pipes and other input are handled. Nothing is left on disk. Not for
 * programs that handle SIGPIPE: SIG_DFL is replaced by a handler. Single-threaded.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/spawn.h"
#include <holdfast/err.h>

enum hf_stdin_replay_kind { HF_REPLAY_INHERIT, HF_REPLAY_FILE, HF_REPLAY_STREAM };

struct hf_stdin_replay {
	enum hf_stdin_replay_kind kind;
	bool can_again;	  /* another run is possible */
	struct hf_io *io; /* for hf_supervise(); NULL: nothing to do */

	int in;	      /* the input */
	off_t start;  /* FILE: the original offset */
	int run;      /* FILE: this run's descriptor; STREAM: the reading end, until the child is
		       * started */
	int pipe;     /* STREAM: the writing end; -1: closed */
	int kept;     /* the file with the kept input; -1: none yet */
	off_t length; /* bytes kept */
	off_t sent;   /* bytes sent to this run */
	bool end;     /* end of input */
	struct hf_io feed;
};

void hf_stdin_replay_open(struct hf_stdin_replay *r, int in);

/* *in: a descriptor for struct hf_command. */
enum hf_status hf_stdin_replay_begin(struct hf_stdin_replay *r, int *in, struct hf_err *err);
void hf_stdin_replay_started(struct hf_stdin_replay *r);

/* Call it also after a begin whose command could not be run. */
void hf_stdin_replay_end(struct hf_stdin_replay *r);
void hf_stdin_replay_close(struct hf_stdin_replay *r);

#endif
