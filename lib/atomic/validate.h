/* SPDX-License-Identifier: ISC */
#ifndef HF_VALIDATE_H
#define HF_VALIDATE_H

/*
 * A user's command that looks at a new file before it is put in place.
 *
 * Run as: sh -c COMMAND sh STAGED, where STAGED is /proc/PID/fd/N of this process, since the file
 * has no name yet; it can be opened by that path as often as the command likes. What the command
 * prints goes to standard error, and it reads nothing. If it ends with anything but 0 the file is
 * refused (HF_DATA). HF_UNAVAILABLE without /proc. Waits for the command, however long it takes.
 *
 * Signals are passed on as base/spawn.h says; for single-threaded tools.
 */

#include <holdfast/err.h>

/* fd is the new file, path its target for messages. *wait_status, as of waitpid(), tells how a
 * command ended that refused. */
enum hf_status hf_validate(int fd, const char *command, const char *path, int *wait_status,
			   struct hf_err *err);

#endif
