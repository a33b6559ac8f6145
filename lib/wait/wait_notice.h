/* SPDX-License-Identifier: ISC */
#ifndef HF_WAIT_NOTICE_H
#define HF_WAIT_NOTICE_H

/*
 * The notice of a wait that is not for flock(2), whose wait gives it by itself (lock_wait.h): one
 * line, one second into the wait.
 *
 *	struct hf_wait_notice notice = hf_wait_notice_begin(wait);
 *
 *	while (it is not free) {
 *		if (hf_wait_notice_is_due(&notice))
 *			hf_wait_notice_say(wait, "waiting for '%s', held by %s", path, holder);
 *		...
 *	}
 *
 * The caller finds out who holds the lock only when the notice is due. Without wait->notice it is
 * never due. Never blocks, never fails. One thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/lock_wait.h>

struct hf_wait_notice {
	int64_t at; /* an instant; HF_NEVER: never, or not again */
};

/* Begin a wait. */
struct hf_wait_notice hf_wait_notice_begin(const struct hf_wait *wait);

/* Return true, once, when the notice is due. */
bool hf_wait_notice_is_due(struct hf_wait_notice *notice);

/* Pass the line to wait->notice, made printable (holdfast/err.h). */
void hf_wait_notice_say(const struct hf_wait *wait, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
