/* SPDX-License-Identifier: ISC */
#ifndef HF_CLOCK_H
#define HF_CLOCK_H

/*
 * Time: durations as a user writes them, one absolute deadline, and the backoff.
 *
 * All times are nanoseconds. A deadline is an instant of CLOCK_MONOTONIC. A tool makes it once from
 * --timeout and passes it to everything that waits, so that several waits share one limit, and a
 * clock that is set does not matter. HF_NEVER means no limit, HF_NOWAIT do not wait.
 *
 * Backoff is for events that the kernel cannot report. It is exponential with full jitter: the n-th
 * sleep is uniform in [1 ms, min(cap, base * 2^n)], from arc4random(3), and the
 * last one is cut to the deadline. See Brooker, "Exponential Backoff And Jitter" (AWS, 2015).
 *
 * hf_cancel_waits() makes every deadline of the process expire at once. Each waiting function then
 * returns and cleans up as on a timeout. A blocking system call must be interrupted repeatedly
 * until its wait returns. (For an instant that ends no wait, such as the time of a notice, use
 * hf_now().)
 *
 * Only hf_backoff_sleep() blocks. Thread-safe; hf_now(), hf_cancel_waits() and
 * hf_waits_are_cancelled() are async-signal-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/err.h>

#define HF_NEVER INT64_MAX
#define HF_NOWAIT INT64_C(0)
#define HF_MS INT64_C(1000000)
#define HF_SECOND INT64_C(1000000000)

/* Return the present time of CLOCK_MONOTONIC. */
int64_t hf_now(void);

/* Return the deadline `duration` from now; HF_NEVER for HF_NEVER, HF_NOWAIT for 0. */
int64_t hf_deadline_in(int64_t duration);

/* Return the nanoseconds until the deadline: 0 if it has passed, HF_NEVER if there is none. */
int64_t hf_time_left(int64_t deadline);

/* Let every deadline of this process expire, HF_NEVER too. This cannot be undone. */
void hf_cancel_waits(void);
bool hf_waits_are_cancelled(void);

/* Parse "10", "0.5", "250ms", "2m", "1h30m", "7d", "2w", "inf" (units ns us ms s m h d w, in
 * falling order; a number without a unit is seconds). HF_USAGE for anything else, also for a
 * negative duration or one of more than 292 years; err names the text. */
enum hf_status hf_parse_duration(const char *text, int64_t *duration, struct hf_err *err);

/* Format a duration for messages: "1h30m", "250ms", "2.5s", the two largest units. Return out. */
char *hf_format_duration(char *out, size_t size, int64_t duration);

struct hf_backoff {
	int64_t base, cap; /* set by hf_backoff_init(); may be changed before the first sleep */
	int64_t deadline;
	unsigned int tries;
};

/* Begin a backoff: base 1 ms and cap 100 ms, or HOLDFAST_BACKOFF=BASE,CAP, or spec, the value of
 * --backoff (or NULL). HF_USAGE: a value cannot be parsed. */
enum hf_status hf_backoff_init(struct hf_backoff *backoff, const char *spec, int64_t deadline,
			       struct hf_err *err);

/* Return the length of the next sleep; 0 if the deadline has passed. */
int64_t hf_backoff_next(struct hf_backoff *backoff);

/* Sleep. Return false, without sleeping, if the deadline has passed. A signal ends the sleep early,
 * with true. */
bool hf_backoff_sleep(struct hf_backoff *backoff);

/* The names of these before 0.2, until 1.0. */
#define HF_AT_ONCE HF_NOWAIT
static inline int64_t hf_until(int64_t deadline)
{
	return hf_time_left(deadline);
}
static inline void hf_give_up(void)
{
	hf_cancel_waits();
}

#endif
