/* SPDX-License-Identifier: ISC */
#ifndef HF_VALIDATE_H
#define HF_VALIDATE_H

/*
 * Run a user's command that accepts or refuses a new file before it is put in place.
 *
 *	sh -c COMMAND sh STAGED
 *
 * STAGED is /proc/PID/fd/N of this process, since the file has no name yet; the command may open
 * it any number of times. Its output goes to standard error, its input is empty. Errors: HF_DATA
 * if it does not exit with 0; HF_UNAVAILABLE without /proc. Waits for the command without a limit.
 * Signals are passed on (base/spawn.h); for single-threaded tools. A crash of this process aborts
 * the replacement.
 */

#include <holdfast/err.h>

/* Run the command on fd, the new file; path is its target, for messages. If the command refused,
 * *wait_status is its status as of waitpid(2). */
enum hf_status hf_validate(int fd, const char *command, const char *path, int *wait_status,
			   struct hf_err *err);

#endif
