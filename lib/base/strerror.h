/* SPDX-License-Identifier: ISC */
#ifndef HF_STRERROR_H
#define HF_STRERROR_H

/*
 * The names of errors and signals in messages: glibc's, whatever C library is linked.
 *
 * Both return a constant string, or, for an unknown number, one in a static buffer. errno is
 * preserved. Thread-safe except for that buffer. Never blocks.
 */

const char *hf_strerror(int errnum);
const char *hf_strsignal(int signo);

#endif
