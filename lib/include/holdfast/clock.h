/* SPDX-License-Identifier: ISC */
#ifndef HF_CLOCK_H
#define HF_CLOCK_H

/*
 * Time: durations as a user writes them, one absolute deadline passed down, and the one backoff.
 *
 * All times are nanoseconds. A deadline is an instant of CLOCK_MONOTONIC, made once by the tool
 * from --timeout and handed to everything that waits, so that several waits share one limit and a
 * clock that is set does not matter. HF_NEVER means for ever, HF_NOWAIT means do not wait.
 *
 * Backoff serves only what the kernel cannot tell us. It is exponential with full jitter: the n-th
 * sleep is uniform in [floor, min(cap, base * 2^n)], with real entropy (arc4random: seeding by PID
 * or by the second makes containers started together collide), never below 1 ms, and the last one
 * clipped to the deadline. See Brooker, "Exponential Backoff And Jitter" (AWS, 2015).
 *
 * A process that is told to end gives up: from then on every deadline has passed, and whoever waits
 * finds that out as he finds out any deadline, and cleans up. A system call that blocks must be
 * interrupted for it, again and again, until the wait has returned. (Of an instant that ends no
 * wait, such as when to say something, hf_now() tells.)
 *
 * Nothing here blocks except hf_backoff_sleep(). Thread-safe; hf_now(), hf_cancel_waits() and
 * hf_waits_are_cancelled() are async-signal-safe.
 */

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/err.h>

#define HF_NEVER INT64_MAX
#define HF_NOWAIT INT64_C(0)
#define HF_MS INT64_C(1000000)
#define HF_SECOND INT64_C(1000000000)

/* CLOCK_MONOTONIC now. */
int64_t hf_now(void);

/* The deadline that lies duration after now; HF_NEVER for HF_NEVER, HF_NOWAIT for 0. */
int64_t hf_deadline_in(int64_t duration);

/* Nanoseconds until the deadline: 0 when it has passed, HF_NEVER when there is none. */
int64_t hf_time_left(int64_t deadline);

/* Every deadline of this process has passed, HF_NEVER too; there is no way back. */
void hf_cancel_waits(void);
bool hf_waits_are_cancelled(void);

/* Parse "10", "0.5", "250ms", "2m", "1h30m", "7d", "2w", "inf" (units ns us ms s m h d w; a number
 * without one is seconds; units in falling order). HF_USAGE for anything else, also a negative or
 * one that overflows 292 years; err names the text. */
enum hf_status hf_parse_duration(const char *text, int64_t *duration, struct hf_err *err);

/* "1h30m", "250ms", "2.5s": the two largest units, for messages. Returns out. */
char *hf_format_duration(char *out, size_t size, int64_t duration);

struct hf_backoff {
	int64_t base, cap; /* set by hf_backoff_init(); may be changed before the first sleep */
	int64_t deadline;
	unsigned int tries;
};

/* base 1 ms and cap 100 ms, or what HOLDFAST_BACKOFF=BASE,CAP says (a value that cannot be parsed
 * is HF_USAGE). spec, if not NULL, is --backoff's value and wins. */
enum hf_status hf_backoff_init(struct hf_backoff *backoff, const char *spec, int64_t deadline,
			       struct hf_err *err);

/* The next sleep's length; 0 when the deadline has passed. */
int64_t hf_backoff_next(struct hf_backoff *backoff);

/* Sleep it. false: the deadline has passed, and nothing was slept. A signal ends the sleep early,
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
