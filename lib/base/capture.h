/* SPDX-License-Identifier: ISC */
#ifndef HF_CAPTURE_H
#define HF_CAPTURE_H

/*
 * The output of a command, written to a file.
 *
 * It comes through a pipe and is spliced into the file, so the command never has the file itself.
 * The end of the output is the exit of the pipe's last writer.
 *
 * Signals are forwarded as base/spawn.h says; for single-threaded programs. If the file cannot be
 * written, the command receives SIGPIPE and is waited for.
 */

#include <holdfast/err.h>

/* Run argv with `in` as standard input (-1: ours), and append its output to the file fd, which is
 * `name` in messages. HF_OK: *wait_status is the command's. Errors: those of hf_spawn(), HF_IO. */
enum hf_status hf_capture(char **argv, int in, int fd, const char *name, int *wait_status,
			  struct hf_err *err);

#endif
