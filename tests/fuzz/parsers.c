/* SPDX-License-Identifier: ISC */
/*
 * Fuzzing (libFuzzer) of what reads bytes that anybody may have written: the first byte chooses the
 * parser, the rest is its input. Beside what the sanitizers see, the promises of the headers are
 * checked: what was understood is within its limits, and what is shown is printable.
 *
 *	make fuzz [FUZZ_SECONDS=60]
 */

#include "atomic/target_check.h"
#include "base/stats_log.h"
#include "cli/flock_options.h"
#include "fuzz.h"
#include "probe/proc_locks.h"
#include "stale/lock_owner.h"
#include <holdfast/clock.h>
#include <holdfast/err.h>

static void dot_record(const char *text, size_t size)
{
	struct hf_lock_owner_info record, again;
	char out[HF_LOCK_OWNER_MAX];
	size_t n;

	hf_lock_owner_parse(text, size, &record);
	if (record.form == HF_OWNER_FOREIGN || record.form == HF_OWNER_NO_PID) {
		require(record.why);
		return;
	}
	require(record.owner.pid >= 1 && record.owner.pid <= HF_PID_MAX);
	if (record.form != HF_OWNER_HOLDFAST)
		return;
	n = hf_lock_owner_format(&record, out);
	hf_lock_owner_parse(out, n, &again);
	require(again.form == HF_OWNER_HOLDFAST && again.owner.pid == record.owner.pid &&
		again.owner.start == record.owner.start && strcmp(again.nonce, record.nonce) == 0);
}

static void lock_line(const char *text, size_t size)
{
	struct hf_lock_entry record;

	(void)size;
	if (hf_lock_parse(text, &record))
		require(record.start >= 0 && record.last >= 0 &&
			(record.type != HF_LOCK_FLOCK || strstr(text, "FLOCK")));
}

static void duration(const char *text, size_t size)
{
	struct hf_err err;
	int64_t ns = -1;
	char out[64];

	(void)size;
	if (hf_parse_duration(text, &ns, &err) != HF_OK)
		return;
	require(ns >= 0);
	hf_format_duration(out, sizeof(out), ns);
}

static void escape(const char *text, size_t size)
{
	char out[128];

	(void)size;
	hf_escape(out, sizeof(out), text);
	require(memchr(out, '\0', sizeof(out)));
	for (const char *s = out; *s; s++)
		require((unsigned char)*s >= 0x20 && *s != 0x7f);
}

static void lock_size(const char *text, size_t size)
{
	int64_t bytes;

	(void)size;
	hf_flock_size(text, &bytes);
}

static void if_match(const char *text, size_t size)
{
	struct hf_target_rules rules = {.if_match = text};
	struct hf_err err;

	(void)size;
	if (hf_target_rules_check(NULL, &rules, &err) == HF_OK)
		require(strlen(text) == 64 || strcmp(text, "absent") == 0);
}

static void stats_line(const char *text, size_t size)
{
	struct hf_stats_line line, again;
	char out[HF_STATS_LINE];
	size_t n;

	if (!hf_stats_parse(text, size, &line))
		return;
	require(line.lock[0] && line.waited >= 0 && line.held >= -1 && line.breaks >= 0);
	n = hf_stats_format(&line, out);
	require(n < sizeof(out) && out[n - 1] == '\n' && !memchr(out, '\n', n - 1));
	require(hf_stats_parse(out, n - 1, &again));
	require(again.waited == line.waited && strcmp(again.kind, line.kind) == 0);
}

static void (*const parsers[])(const char *text, size_t size) = {
	dot_record, lock_line, duration, escape, lock_size, if_match, stats_line,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))](text, size - 1);
	free(text);
	return 0;
}
