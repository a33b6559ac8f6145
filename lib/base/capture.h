/* SPDX-License-Identifier: ISC */
#ifndef HF_CAPTURE_H
#define HF_CAPTURE_H

/*
 * A command's output, taken into a file.
 *
 * It comes through a pipe and is spliced into the file here: the command never has the file itself,
 * so that nobody whom it left in the background can write to it afterwards. As with a shell's
 * $(…), the end of the output is when the last writer of the pipe is gone.
 *
 * Signals are passed on as base/spawn.h says; for single-threaded tools. If the file cannot be
 * written the command meets a closed pipe (SIGPIPE), and is waited for.
 */

#include <holdfast/err.h>

/* Run argv with `in` as standard input (-1: ours) and append its output to the file fd, called
 * name in messages. HF_OK: *wait_status tells how it ended; errors of hf_spawn(), HF_IO. */
enum hf_status hf_capture(char **argv, int in, int fd, const char *name, int *wait_status,
			  struct hf_err *err);

#endif
