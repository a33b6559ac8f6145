/* SPDX-License-Identifier: ISC */
#ifndef HF_ERR_H
#define HF_ERR_H

/*
 * Errors: what a library call reports, and how a tool exits.
 *
 * Every function that can fail returns an enum hf_status and takes a struct hf_err. It writes one
 * line there that says what was tried, on which object, and why it failed, and then lines of
 * advice. The library never prints and never exits. A tool prints "tool: message", the advice
 * indented, and exits with the status. The numbers are exit statuses (those of sysexits.h where it
 * has the word).
 *
 * A status other than HF_OK from a function that changes files means that the old content is
 * unchanged, with two exceptions. HF_UNCERTAIN: the new content is in place, and only its
 * durability or completion is not certain. HF_UNKNOWN: it is not known whether the change was made.
 *
 * struct hf_err belongs to the caller, needs no release, and may be NULL. A function that succeeds
 * does not change it. errno is preserved by every function declared here. Thread-safe; not
 * async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>

#include <holdfast/text.h>

enum hf_status {
	HF_OK = 0,
	HF_NO = 1,	     /* a condition is not met; this is not an error */
	HF_USAGE = 64,	     /* the call is wrong; repeating it cannot help */
	HF_DATA = 65,	     /* the data is damaged or refused */
	HF_NOINPUT = 66,     /* an input is missing */
	HF_UNAVAILABLE = 69, /* a service or a feature is not available */
	HF_BUG = 70,	     /* an impossible state */
	HF_OS = 71,	     /* the system refused (out of memory, processes, descriptors) */
	HF_CANTCREAT = 73,   /* the output cannot be created */
	HF_IO = 74,	     /* reading or writing failed; the old content is kept */
	HF_BUSY = 75,	     /* nothing was done; trying again can help */
	HF_UNCERTAIN = 76,   /* done, but durability or completion is not certain yet */
	HF_NOPERM = 77,	     /* permission denied */
	HF_UNKNOWN = 79,     /* not known whether it was done: do not simply try again */
	HF_CANNOT_RUN = 126, /* a command was found and cannot be run */
	HF_NOT_FOUND = 127,  /* a command was not found */
};

struct hf_err {
	enum hf_status status;
	int errnum; /* the errno of the failure, or 0 */
	char message[1024];
	char advice[1024]; /* lines separated by '\n', or "" */
};

/* Fill err (with empty advice) and return status. */
enum hf_status hf_fail(struct hf_err *err, enum hf_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with ": strerror(errno)" appended to the message; the status is hf_status_of(errno). */
enum hf_status hf_fail_errno(struct hf_err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, with a given status. */
enum hf_status hf_fail_errno_as(struct hf_err *err, enum hf_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Add one line of advice. A line that does not fit is left out whole. */
void hf_advise(struct hf_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Give a notice: a line that the user should see although the call continues, such as an ignored
 * file and the reason. Without a function it is dropped. Set the function once, before other
 * threads exist; it must be thread-safe. */
void hf_set_notice(void (*notice)(void *context, const char *line), void *context);
void hf_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Return the status for an errno: EIO, ENOSPC, EDQUOT, EFBIG → HF_IO; EACCES, EPERM → HF_NOPERM;
 * ENOENT, ENOTDIR, EROFS, … → HF_CANTCREAT; ELOOP, ENAMETOOLONG → HF_USAGE; EWOULDBLOCK → HF_BUSY;
 * an unknown one → HF_OS. */
enum hf_status hf_status_of(int errnum);

#endif
