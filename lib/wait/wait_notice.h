/* SPDX-License-Identifier: ISC */
#ifndef HF_NOTICE_H
#define HF_NOTICE_H

/*
 * The word about whom one waits for, where that is not flock(2), whose wait says it by itself
 * (holdfast/lock_wait.h).
 *
 * It is said once, a second into a wait: who waits for less does not want to read, and who waits
 * for longer wants to know early. Only the caller can tell when that second is over, since it alone
 * knows when it wakes; so it asks, and finds out who it is only when the word is due:
 *
 *	struct hf_wait_notice notice = hf_wait_notice_begin(wait);
 *
 *	while (it is not free) {
 *		if (hf_wait_notice_is_due(&notice))
 *			hf_wait_notice_say(wait, "waiting for '%s', held by %s", path, who);
 *		…
 *	}
 *
 * Where nobody wants to hear it (wait->notice is NULL) it is never due. Blocks nobody, fails never,
 * leaves nothing behind. A struct hf_wait_notice has one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/lock_wait.h>

struct hf_wait_notice {
	int64_t at; /* an instant; HF_NEVER when it is not to be said, or not again */
};

/* The wait begins now. */
struct hf_wait_notice hf_wait_notice_begin(const struct hf_wait *wait);

/* true: say it now. It is true once. */
bool hf_wait_notice_is_due(struct hf_wait_notice *notice);

/* Hand the line to wait->notice, printable (holdfast/err.h). */
void hf_wait_notice_say(const struct hf_wait *wait, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
