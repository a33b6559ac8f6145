/* SPDX-License-Identifier: ISC */
#ifndef HF_WORDING_H
#define HF_WORDING_H

/*
 * What the system's errors and signals are called in messages.
 *
 * C libraries differ in it: EIO is "Input/output error" or "I/O error". The tools and the library
 * may be linked with different ones, and scripts compare messages; so all say what glibc says.
 *
 * Both return a constant string, or, for a number without a name, one in a static buffer. They keep
 * errno. Thread-safe but for that buffer. Blocks nobody.
 */

const char *hf_strerror(int errnum);
const char *hf_strsignal(int signo);

#endif
