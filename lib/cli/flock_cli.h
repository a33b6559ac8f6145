/* SPDX-License-Identifier: ISC */
#ifndef HF_FLOCK_CLI_H
#define HF_FLOCK_CLI_H

/*
 * flock(1), for scripts that were written for it: what lock-run is when it is called `flock`.
 *
 * Options, abbreviations, output and exit statuses are those of util-linux, of all versions: the
 * old ones have no --fcntl, --start, --length, --fd. What a holdfast lock adds is left out on
 * purpose, since a script that says flock means flock(1):
 *
 *	- nothing is inherited: HOLDFAST_LOCKS is neither believed nor set, so a nested flock of the
 *	  same file waits for its own parent, as it always did;
 *	- the path is not looked at again after the lock is had, no ancestors and no circles are
 *	  looked for, nobody is named, nothing is said after a second;
 *	- signals are not forwarded. A flock that is terminated leaves its command running, with the
 *	  lock; at Ctrl-C both die of it. A command that dies of a signal is exit status 128 + n;
 *	- the lock's descriptor is the lowest free one (not 0, 1 or 2), and the command inherits it
 *	  under that number;
 *	- FIFOs and devices can be locked.
 *
 * Two things differ. A lock file is never opened by 0, 1 or 2 where these are closed; and --help
 * and --version have texts of their own.
 *
 * Like cli/cli.h, a room of the tools only: it prints and exits. Single-threaded.
 */

#include <stdbool.h>

/* Is a program of this name (argv[0], with or without a directory) flock? */
bool hf_flock_is_name(const char *name);

/* Be flock(1): returns the exit status, or does not return. */
int hf_flock_main(int argc, char **argv);

#endif
