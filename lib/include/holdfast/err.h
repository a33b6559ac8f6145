/* SPDX-License-Identifier: ISC */
#ifndef HF_ERR_H
#define HF_ERR_H

/*
 * Errors: what a library call reports, and how a tool exits.
 *
 * Every function that can fail returns an enum hf_status and takes a struct hf_err, in which it
 * leaves one line that says what was tried, on what, and why it failed, and then lines of advice.
 * The library never prints and never exits; a tool prints "tool: message", the advice indented,
 * and exits with the status. The numbers are the exit statuses (sysexits.h where it has the word),
 * so that nothing is translated on the way.
 *
 * A status other than HF_OK from a function that changes files means that the old content stands,
 * with two exceptions: HF_UNCERTAIN, where the new content is in place and only its durability, or
 * its completion, is not certain; and HF_UNKNOWN, where it cannot be known whether it was done.
 *
 * struct hf_err belongs to the caller, needs no release, and may be NULL where nobody reads it.
 * A function that succeeds does not touch it. errno survives every function of this room.
 * Thread-safe; not async-signal-safe (it formats).
 */

#include <stdbool.h>
#include <stddef.h>

enum hf_status {
	HF_OK = 0,
	HF_NO = 1,	     /* a condition was not met; nothing is wrong */
	HF_USAGE = 64,	     /* called wrongly; calling again cannot help */
	HF_DATA = 65,	     /* the data is damaged or refused */
	HF_NOINPUT = 66,     /* an input is missing */
	HF_UNAVAILABLE = 69, /* a service or a feature is not there */
	HF_BUG = 70,	     /* a state that cannot be */
	HF_OS = 71,	     /* the system refused (out of memory, of processes, of descriptors) */
	HF_CANTCREAT = 73,   /* the output cannot be created */
	HF_IO = 74,	     /* reading or writing failed; the old content is kept */
	HF_BUSY = 75,	     /* nothing was done; trying again can help */
	HF_UNCERTAIN = 76,   /* done, but durability or completion is not certain yet */
	HF_NOPERM = 77,	     /* permission */
	HF_UNKNOWN = 79,     /* not known whether it was done: do not simply try again */
};

struct hf_err {
	enum hf_status status;
	int errnum; /* the errno behind it, or 0 */
	char message[1024];
	char advice[1024]; /* lines separated by '\n', or "" */
};

/* Fill err (advice is emptied) and return status. */
enum hf_status hf_fail(struct hf_err *err, enum hf_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": strerror(errno)" behind the message; the status is hf_status_of(errno). */
enum hf_status hf_fail_errno(struct hf_err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, with a status of the caller's choice. */
enum hf_status hf_fail_errno_as(struct hf_err *err, enum hf_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Add one line of advice. A line that does not fit is left out whole. */
void hf_advise(struct hf_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line that the user should see, though the call goes on: a file that is ignored, and why. A
 * program that sets no function hears nothing. Set it once, before other threads exist; the
 * function must be thread-safe. */
void hf_set_notice(void (*notice)(void *context, const char *line), void *context);
void hf_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The status that stands for an errno: EIO, ENOSPC, EDQUOT, EFBIG → HF_IO; EACCES, EPERM →
 * HF_NOPERM; ENOENT, ENOTDIR, EROFS, … → HF_CANTCREAT; ELOOP, ENAMETOOLONG → HF_USAGE;
 * EWOULDBLOCK → HF_BUSY; what no table knows → HF_OS. */
enum hf_status hf_status_of(int errnum);

/* Copy text into out (size bytes, always terminated), control characters and invalid UTF-8 as \n,
 * \t or \xHH, so that one message stays one line whatever a file is called. */
void hf_escape(char *out, size_t size, const char *text);

/* How many bytes the character at text has; 0 where none begins: invalid UTF-8, or a C1 control. */
size_t hf_utf8_length(const char *text);

#endif
