/* SPDX-License-Identifier: ISC */
#ifndef HF_FLOCK_OPTIONS_H
#define HF_FLOCK_OPTIONS_H

/*
 * The command line of flock(1), as util-linux reads it.
 *
 * Not parsed with cli/cli.h, whose options and messages differ. There are two generations of
 * options; README.md describes their abbreviations. Prints, and exits: 64 for a usage error, 0
 * after --help and --version. Single-threaded.
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

/* Parse the command line. */
void hf_flock_parse(struct hf_flock_request *r, int argc, char **argv);

/* Parse a size as util-linux does: 4096, 1K = 1KiB = 1024, 1KB = 1000, also M G T P E, and 1.5M.
 * Return false if it is malformed (errno EINVAL) or too large (ERANGE). */
bool hf_flock_size(const char *text, int64_t *size);

/* Print "flock: message", with hf_strerror(errnum) unless errnum is 0, and exit. */
_Noreturn void hf_flock_fail(int status, int errnum, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Flush standard output. Return status, or 1 if output was lost. */
int hf_flock_finish(int status);

#endif
