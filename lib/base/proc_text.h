/* SPDX-License-Identifier: ISC */
#ifndef HF_PROC_TEXT_H
#define HF_PROC_TEXT_H

/*
 * Read a small file of /proc in one call, so that its lines belong together.
 *
 * Never blocks. Thread-safe; not async-signal-safe.
 */

#include <stddef.h>
#include <sys/types.h>

/* Read the start of the file whose path the format gives, followed by a NUL. Return the number of
 * bytes; -1 with errno and "" on failure. */
ssize_t hf_proc_text(char *out, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
