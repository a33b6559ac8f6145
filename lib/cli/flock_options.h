/* SPDX-License-Identifier: ISC */
#ifndef HF_FLOCK_OPTIONS_H
#define HF_FLOCK_OPTIONS_H

/*
 * The command line of flock(1), as util-linux reads it: what cli/flock_cli.h is asked to do.
 *
 * Not by cli/cli.h's table, which knows options that flock(1) does not have, and says things
 * otherwise. There are two generations of options. An abbreviation that meant something before the
 * second came (--s, --l) goes on to mean that; --command is known only behind --fd.
 *
 * A room of the tools only: it prints, and exits (64 for a usage error, 0 after --help and
 * --version). Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

struct hf_flock_request {
	const char *file; /* or NULL: fd was given */
	int fd;
	int operation; /* LOCK_SH, LOCK_EX, LOCK_UN */
	bool nonblock, timed, close, no_fork, verbose, fcntl;
	struct timeval timeout;
	int64_t start, length;
	int conflict;
	char **command;
};

/* Read the command line. */
void hf_flock_parse(struct hf_flock_request *r, int argc, char **argv);

/* A size as util-linux reads it: 4096, 1K = 1KiB = 1024, 1KB = 1000, also M G T P E, and 1.5M.
 * false: it is none, or it is too large (errno ERANGE, else EINVAL). */
bool hf_flock_size(const char *text, int64_t *size);

/* "flock: message", with hf_strerror(errnum) behind it unless that is 0, and exit. */
_Noreturn void hf_flock_fail(int status, int errnum, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Flush standard output. The exit status: status, or 1 where output was lost. */
int hf_flock_finish(int status);

#endif
