/* SPDX-License-Identifier: ISC */
#ifndef HF_FLOCK_CLI_H
#define HF_FLOCK_CLI_H

/*
 * flock(1), for scripts that were written for it: lock-run under the name `flock`.
 *
 * Options, abbreviations, output and exit statuses are those of util-linux. README.md lists the
 * features of holdfast's locks that are left out, and two differences. Prints and exits.
 * Single-threaded.
 */

#include <stdbool.h>

/* Return true if this program name (argv[0], with or without a directory) is flock. */
bool hf_flock_is_name(const char *name);

/* Behave as flock(1). Return the exit status, or do not return. */
int hf_flock_main(int argc, char **argv);

#endif
