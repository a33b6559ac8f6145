/* SPDX-License-Identifier: ISC */
#include <holdfast/clock.h>

#include <bsd/stdlib.h>
#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_bool gave_up;

void hf_cancel_waits(void)
{
	atomic_store(&gave_up, true);
}

bool hf_waits_are_cancelled(void)
{
	return atomic_load(&gave_up);
}

int64_t hf_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * HF_SECOND + ts.tv_nsec;
}

int64_t hf_deadline_in(int64_t duration)
{
	int64_t deadline;

	if (duration <= 0)
		return HF_NOWAIT;
	return __builtin_add_overflow(hf_now(), duration, &deadline) ? HF_NEVER : deadline;
}

int64_t hf_time_left(int64_t deadline)
{
	int64_t now;

	if (hf_waits_are_cancelled())
		return 0;
	if (deadline == HF_NEVER || deadline == HF_NOWAIT)
		return deadline;
	now = hf_now();
	return now < deadline ? deadline - now : 0;
}

/* From the largest to the smallest. Names are compared whole, since "m" is a prefix of "ms". */
static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	{"w", 604800 * HF_SECOND},
	{"d", 86400 * HF_SECOND},
	{"h", 3600 * HF_SECOND},
	{"m", 60 * HF_SECOND},
	{"s", HF_SECOND},
	{"ms", HF_MS},
	{"us", 1000},
	{"ns", 1},
};
enum { UNITS = sizeof(units) / sizeof(units[0]), SECONDS = 4 };

/* Parse one part, as "12.5m": add it to *sum, advance *text, and set *unit to the unit's index. By
 * hand, since strtod(3) depends on the locale and accepts "0x1p3" and "nan". */
static bool parse_part(const char **text, size_t *unit, int64_t *sum)
{
	const char *s = *text;
	int64_t whole = 0, fraction = 0, scale = 1, product;
	size_t len, i = SECONDS;

	if (!isdigit((unsigned char)*s) && !(*s == '.' && isdigit((unsigned char)s[1])))
		return false;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *s - '0', &whole))
			return false;
	if (*s == '.') {
		for (s++; isdigit((unsigned char)*s); s++) {
			if (scale < HF_SECOND) {
				fraction = fraction * 10 + (*s - '0');
				scale *= 10;
			}
		}
	}
	len = strspn(s, "wdhmsun");
	if (!len && (*sum || *s)) /* "1h30": minutes or seconds? */
		return false;
	if (len) {
		for (i = 0; i < UNITS; i++)
			if (strlen(units[i].name) == len && strncmp(s, units[i].name, len) == 0)
				break;
		if (i == UNITS)
			return false;
	}
	if (__builtin_mul_overflow(whole, units[i].ns, &product) ||
	    __builtin_add_overflow(*sum, product, sum) ||
	    __builtin_add_overflow(*sum, (int64_t)((__int128)fraction * units[i].ns / scale), sum))
		return false;
	*unit = i;
	*text = s + len;
	return true;
}

enum hf_status hf_parse_duration(const char *text, int64_t *duration, struct hf_err *err)
{
	const char *s = text;
	int64_t sum = 0;
	size_t last = 0, unit;

	if (strcmp(text, "inf") == 0 || strcmp(text, "infinity") == 0) {
		*duration = HF_NEVER;
		return HF_OK;
	}
	for (bool first = true; first || *s; first = false) {
		if (!parse_part(&s, &unit, &sum) || (!first && unit <= last) || sum == HF_NEVER) {
			hf_fail(err, HF_USAGE, "'%s' is not a duration", text);
			hf_advise(err, "write it as 10, 0.5, 250ms, 2m, 1h30m, 7d, 2w or inf");
			return HF_USAGE;
		}
		last = unit;
	}
	*duration = sum;
	return HF_OK;
}

char *hf_format_duration(char *out, size_t size, int64_t duration)
{
	size_t i = 0;

	if (duration == HF_NEVER)
		return strcpy(out, "inf");
	while (i < UNITS - 1 && duration < units[i].ns)
		i++;
	if (!duration)
		i = SECONDS;
	if (i >= SECONDS) { /* seconds and below: one unit, at most two decimals */
		int64_t hundredths = duration / (units[i].ns >= 100 ? units[i].ns / 100 : 1);

		if (units[i].ns < 100 || hundredths % 100 == 0)
			snprintf(out, size, "%lld%s", (long long)(duration / units[i].ns),
				 units[i].name);
		else
			snprintf(out, size, "%lld.%02lld%s", (long long)(hundredths / 100),
				 (long long)(hundredths % 100), units[i].name);
		return out;
	}
	snprintf(out, size, "%lld%s", (long long)(duration / units[i].ns), units[i].name);
	duration = duration % units[i].ns / units[i + 1].ns;
	if (duration)
		snprintf(out + strlen(out), size - strlen(out), "%lld%s", (long long)duration,
			 units[i + 1].name);
	return out;
}

enum hf_status hf_backoff_init(struct hf_backoff *backoff, const char *spec, int64_t deadline,
			       struct hf_err *err)
{
	char text[64];
	const char *source = spec ? spec : getenv("HOLDFAST_BACKOFF");
	char *comma;

	*backoff = (struct hf_backoff){.base = HF_MS, .cap = 100 * HF_MS, .deadline = deadline};
	if (!source || !*source)
		return HF_OK;
	snprintf(text, sizeof(text), "%s", source);
	comma = strchr(text, ',');
	if (comma)
		*comma = '\0';
	if (strlen(source) < sizeof(text) && comma &&
	    hf_parse_duration(text, &backoff->base, NULL) == HF_OK &&
	    hf_parse_duration(comma + 1, &backoff->cap, NULL) == HF_OK &&
	    backoff->base <= backoff->cap && backoff->base != HF_NEVER)
		return HF_OK;
	hf_fail(err, HF_USAGE, "%s '%s' is not BASE,CAP", spec ? "--backoff" : "HOLDFAST_BACKOFF",
		source);
	hf_advise(err, "two durations, the smaller first, as 1ms,100ms");
	return HF_USAGE;
}

int64_t hf_backoff_next(struct hf_backoff *backoff)
{
	int64_t left = hf_time_left(backoff->deadline), most = backoff->base, sleep;

	if (left <= 0)
		return 0;
	for (unsigned int i = 0; i < backoff->tries && most < backoff->cap; i++)
		most = most > backoff->cap / 2 ? backoff->cap : most * 2;
	backoff->tries++;
	/* microseconds: 32 bits are 71 minutes, longer than any useful cap */
	if (most / 1000 > UINT32_MAX - 1)
		most = (int64_t)(UINT32_MAX - 1) * 1000;
	sleep = (int64_t)arc4random_uniform((uint32_t)(most / 1000) + 1) * 1000;
	if (sleep < HF_MS)
		sleep = HF_MS;
	return sleep < left ? sleep : left;
}

bool hf_backoff_sleep(struct hf_backoff *backoff)
{
	int64_t ns = hf_backoff_next(backoff);

	if (ns <= 0)
		return false;
	nanosleep(&(struct timespec){.tv_sec = ns / HF_SECOND, .tv_nsec = ns % HF_SECOND}, NULL);
	return true;
}
