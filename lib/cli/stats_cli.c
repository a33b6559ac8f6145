/* SPDX-License-Identifier: ISC */
#include "cli/stats_cli.h"

#include <string.h>

#include "cli/json.h"
#include <holdfast/clock.h>
#include <holdfast/proc.h>

/* Upper limits in microseconds; the last contains everything. */
static const int64_t limits[] = {
	10,	30,	 100,	  300,	    1000,     3000,	 10000,	    30000,     100000,
	300000, 1000000, 3000000, 10000000, 30000000, 100000000, 300000000, INT64_MAX,
};
enum { LIMITS = sizeof(limits) / sizeof(limits[0]), BAR = 40 };

static const struct {
	const char *name;
	int percent;
} percentiles[] = {{"p50", 50}, {"p95", 95}, {"p99", 99}, {"max", 100}};
enum { PERCENTILES = sizeof(percentiles) / sizeof(percentiles[0]) };

static const char *const count_names[HF_STATS_COUNTS] = {
	[HF_STATS_TAKEN] = "taken",	  [HF_STATS_CONTENDED] = "contended",
	[HF_STATS_TIMEOUTS] = "timeouts", [HF_STATS_BUSY] = "busy",
	[HF_STATS_BREAKS] = "breaks",
};
static const char *const time_names[HF_STATS_TIMES] = {
	[HF_STATS_WAITED] = "waited", [HF_STATS_HELD] = "held"};

static size_t in_bucket(const struct hf_samples *samples, size_t i)
{
	return hf_samples_within(samples, limits[i]) -
	       (i ? hf_samples_within(samples, limits[i - 1]) : 0);
}

static void put_bars(FILE *out, const struct hf_samples *samples)
{
	size_t max = 0, first = LIMITS, last = 0;
	char limit[32];

	for (size_t i = 0; i < LIMITS; i++) {
		size_t n = in_bucket(samples, i);

		max = n > max ? n : max;
		first = n && first == LIMITS ? i : first;
		last = n ? i : last;
	}
	for (size_t i = first; i <= last && max; i++) {
		size_t n = in_bucket(samples, i);
		int bar = (int)((n * BAR + max - 1) / max);

		hf_format_duration(limit, sizeof(limit),
				   i + 1 < LIMITS ? limits[i] * 1000 : HF_NEVER);
		fprintf(out, "    %s %-8s %8zu %.*s\n", i + 1 < LIMITS ? "<=" : "  ",
			i + 1 < LIMITS ? limit : "longer", n, bar,
			"########################################");
	}
}

static void put_times(FILE *out, const char *what, const struct hf_samples *samples, bool histogram)
{
	char time[32];

	if (!samples->count)
		return;
	fprintf(out, "  %-6s", what);
	for (size_t i = 0; i < PERCENTILES; i++)
		fprintf(out, i + 1 < PERCENTILES ? "  %s %-9s" : "  %s %s", percentiles[i].name,
			hf_format_duration(time, sizeof(time),
					   1000 * hf_percentile(samples, percentiles[i].percent)));
	putc('\n', out);
	if (histogram)
		put_bars(out, samples);
}

static void put_lock(FILE *out, const struct hf_lock_stats *s, bool histogram)
{
	const long long *counts = s->counts;
	char name[4 * PATH_MAX];
	long long tries =
		counts[HF_STATS_TAKEN] + counts[HF_STATS_TIMEOUTS] + counts[HF_STATS_BUSY];

	hf_escape(name, sizeof(name), s->lock);
	fprintf(out, "%s (%s)\n  taken %lld", name, s->kind, counts[HF_STATS_TAKEN]);
	if (tries)
		fprintf(out, ", contended %lld of %lld (%lld%%)", counts[HF_STATS_CONTENDED], tries,
			100 * counts[HF_STATS_CONTENDED] / tries);
	fprintf(out, ", timeouts %lld, busy %lld, breaks %lld\n", counts[HF_STATS_TIMEOUTS],
		counts[HF_STATS_BUSY], counts[HF_STATS_BREAKS]);
	for (size_t i = 0; i < HF_STATS_TIMES; i++)
		put_times(out, time_names[i], &s->times[i], histogram);
}

void hf_stats_text(FILE *out, const struct hf_stats_report *report, bool histogram)
{
	char from[32], to[32];

	fprintf(out, "%lld line%s", report->lines, report->lines == 1 ? "" : "s");
	if (report->lines)
		fprintf(out, ", %s to %s", hf_proc_time(from, sizeof(from), report->first / 1000),
			hf_proc_time(to, sizeof(to), report->last / 1000));
	if (report->skipped)
		fprintf(out, "; skipped, not of this form: %lld", report->skipped);
	putc('\n', out);
	for (size_t i = 0; i < report->count; i++) {
		putc('\n', out);
		put_lock(out, report->locks[i], histogram);
	}
}

static void put_json_times(struct hf_json *json, const char *what, const struct hf_samples *samples,
			   bool histogram)
{
	hf_json_begin(json, what, '{');
	hf_json_number(json, "count", (long long)samples->count);
	hf_json_seconds(json, "sum",
			samples->sum > INT64_MAX / 1000 ? INT64_MAX : 1000 * samples->sum);
	for (size_t i = 0; i < PERCENTILES; i++) {
		int64_t time = hf_percentile(samples, percentiles[i].percent);

		if (time < 0)
			hf_json_null(json, percentiles[i].name);
		else
			hf_json_seconds(json, percentiles[i].name, 1000 * time);
	}
	if (histogram)
		hf_json_begin(json, "histogram", '[');
	for (size_t i = 0; histogram && i < LIMITS; i++) {
		hf_json_begin(json, NULL, '{');
		if (i + 1 < LIMITS)
			hf_json_seconds(json, "le", 1000 * limits[i]);
		else
			hf_json_null(json, "le");
		hf_json_number(json, "count", (long long)in_bucket(samples, i));
		hf_json_end(json);
	}
	if (histogram)
		hf_json_end(json);
	hf_json_end(json);
}

void hf_stats_json(FILE *out, const struct hf_stats_report *report, bool histogram)
{
	struct hf_json json = {.out = out};

	for (size_t i = 0; i < report->count; i++) {
		const struct hf_lock_stats *s = report->locks[i];

		hf_json_begin(&json, NULL, '{');
		hf_json_text(&json, "lock", s->lock);
		hf_json_text(&json, "kind", s->kind);
		for (size_t k = 0; k < HF_STATS_COUNTS; k++)
			hf_json_number(&json, count_names[k], s->counts[k]);
		for (size_t k = 0; k < HF_STATS_TIMES; k++)
			put_json_times(&json, time_names[k], &s->times[k], histogram);
		hf_json_end(&json);
	}
}

static void put_csv_text(FILE *out, const char *text)
{
	putc('"', out);
	for (; *text; text++)
		fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
	putc('"', out);
}

static void put_seconds(FILE *out, int64_t time)
{
	fprintf(out, "%lld.%06lld", (long long)(time / 1000000), (long long)(time % 1000000));
}

static void put_csv_times(FILE *out, const struct hf_samples *samples)
{
	for (size_t i = 0; i < PERCENTILES; i++) {
		putc(',', out);
		if (samples->count)
			put_seconds(out, hf_percentile(samples, percentiles[i].percent));
	}
}

void hf_stats_csv(FILE *out, const struct hf_stats_report *report)
{
	fputs("lock,kind,taken,contended,timeouts,busy,breaks,waited_p50,waited_p95,waited_p99,"
	      "waited_max,held_p50,held_p95,held_p99,held_max\r\n",
	      out);
	for (size_t i = 0; i < report->count; i++) {
		const struct hf_lock_stats *s = report->locks[i];

		put_csv_text(out, s->lock);
		fprintf(out, ",%s", s->kind);
		for (size_t k = 0; k < HF_STATS_COUNTS; k++)
			fprintf(out, ",%lld", s->counts[k]);
		for (size_t k = 0; k < HF_STATS_TIMES; k++)
			put_csv_times(out, &s->times[k]);
		fputs("\r\n", out);
	}
}

/* Print the labels in UTF-8: other bytes become U+FFFD. */
static void put_labels(FILE *out, const struct hf_lock_stats *s)
{
	fputs("{lock=\"", out);
	for (const char *text = s->lock; *text;) {
		size_t length = hf_utf8_length(text);

		if (!length)
			fputs("\xef\xbf\xbd", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if (*text == '\n')
			fputs("\\n", out);
		else
			fwrite(text, 1, length, out);
		text += length ? length : 1;
	}
	fprintf(out, "\",kind=\"%s\"", s->kind);
}

static void put_counter(FILE *out, const struct hf_stats_report *report, const char *name,
			const char *help, enum hf_stats_count which)
{
	fprintf(out, "# TYPE holdfast_lock_%s counter\n# HELP holdfast_lock_%s %s\n", name, name,
		help);
	for (size_t i = 0; i < report->count; i++) {
		fprintf(out, "holdfast_lock_%s_total", name);
		put_labels(out, report->locks[i]);
		fprintf(out, "} %lld\n", report->locks[i]->counts[which]);
	}
}

static void put_metric(FILE *out, const char *name, const struct hf_lock_stats *s,
		       const struct hf_samples *samples)
{
	for (size_t i = 0; i < LIMITS; i++) {
		fprintf(out, "holdfast_lock_%s_seconds_bucket", name);
		put_labels(out, s);
		fputs(",le=\"", out);
		if (i + 1 < LIMITS)
			put_seconds(out, limits[i]);
		else
			fputs("+Inf", out);
		fprintf(out, "\"} %zu\n", hf_samples_within(samples, limits[i]));
	}
	fprintf(out, "holdfast_lock_%s_seconds_count", name);
	put_labels(out, s);
	fprintf(out, "} %zu\nholdfast_lock_%s_seconds_sum", samples->count, name);
	put_labels(out, s);
	fputs("} ", out);
	put_seconds(out, samples->sum);
	putc('\n', out);
}

static void put_histogram(FILE *out, const struct hf_stats_report *report, const char *name,
			  const char *help, enum hf_stats_time which)
{
	fprintf(out,
		"# TYPE holdfast_lock_%s_seconds histogram\n# UNIT holdfast_lock_%s_seconds "
		"seconds\n# HELP holdfast_lock_%s_seconds %s\n",
		name, name, name, help);
	for (size_t i = 0; i < report->count; i++)
		put_metric(out, name, report->locks[i], &report->locks[i]->times[which]);
}

void hf_stats_openmetrics(FILE *out, const struct hf_stats_report *report)
{
	static const char *const help[HF_STATS_COUNTS] = {
		[HF_STATS_TAKEN] = "Acquisitions of the lock.",
		[HF_STATS_CONTENDED] = "Acquisitions and failures while another process held it.",
		[HF_STATS_TIMEOUTS] = "Waits that reached their time limit.",
		[HF_STATS_BUSY] = "Failures without a wait.",
		[HF_STATS_BREAKS] = "Stale locks moved aside.",
	};

	for (size_t i = 0; i < HF_STATS_COUNTS; i++)
		put_counter(out, report, count_names[i], help[i], (enum hf_stats_count)i);
	put_histogram(out, report, "wait", "Waiting times.", HF_STATS_WAITED);
	put_histogram(out, report, "hold", "Times for which the lock was held.", HF_STATS_HELD);
	fputs("# EOF\n", out);
}
