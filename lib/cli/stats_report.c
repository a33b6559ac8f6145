/* SPDX-License-Identifier: ISC */
#include "cli/stats_report.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define FORM "holdfast-stats-"

static bool add_sample(struct hf_samples *samples, int64_t sample)
{
	if (!hf_array_append(&samples->items, &samples->count, &sample, sizeof(sample)))
		return false;
	if (__builtin_add_overflow(samples->sum, sample, &samples->sum))
		samples->sum = INT64_MAX;
	return true;
}

static int compare_names(const void *left, const void *right)
{
	const struct hf_lock_stats *a = left, *b = right;
	int order = strcmp(a->lock, b->lock);

	return order ? order : strcmp(a->kind, b->kind);
}

static void free_lock(void *lock)
{
	struct hf_lock_stats *stats = lock;

	free(stats->lock);
	for (size_t i = 0; i < HF_STATS_TIMES; i++)
		free(stats->times[i].items);
	free(stats);
}

static struct hf_lock_stats *find_or_add_lock(struct hf_stats_report *r,
					      const struct hf_stats_line *line)
{
	struct hf_lock_stats key = {.lock = (char *)line->lock}, *stats;
	struct hf_lock_stats *const *found;

	memcpy(key.kind, line->kind, sizeof(key.kind));
	found = tfind(&key, &r->index, compare_names);
	if (found)
		return *found;
	stats = malloc(sizeof(*stats));
	if (!stats)
		return NULL;
	*stats = key;
	stats->lock = strdup(line->lock);
	if (!stats->lock || !tsearch(stats, &r->index, compare_names)) {
		free_lock(stats);
		return NULL;
	}
	return hf_array_append(&r->locks, &r->count, &stats, sizeof(stats)) ? stats : NULL;
}

static bool add_line(struct hf_stats_report *r, const struct hf_stats_line *line)
{
	struct hf_lock_stats *stats = find_or_add_lock(r, line);

	if (!stats)
		return false;
	r->lines++;
	if (!r->first || line->when < r->first)
		r->first = line->when;
	if (line->when > r->last)
		r->last = line->when;
	stats->counts[HF_STATS_BREAKS] += line->breaks;
	stats->counts[HF_STATS_CONTENDED] += line->contended;
	stats->counts[HF_STATS_TAKEN] += line->outcome == HF_OUTCOME_TAKEN;
	stats->counts[HF_STATS_TIMEOUTS] += line->outcome == HF_OUTCOME_TIMEOUT;
	stats->counts[HF_STATS_BUSY] += line->outcome == HF_OUTCOME_BUSY;
	if (line->outcome != HF_OUTCOME_TAKEN)
		return true;
	return add_sample(&stats->times[HF_STATS_WAITED], line->waited) &&
	       (line->held < 0 || add_sample(&stats->times[HF_STATS_HELD], line->held));
}

/* Parse a line, or the complete line that follows a torn one in it. */
static bool add_text(struct hf_stats_report *r, const char *text, size_t size)
{
	struct hf_stats_line line;
	const char *last = NULL;

	if (hf_stats_parse(text, size, &line))
		return add_line(r, &line);
	r->skipped++;
	for (size_t i = 1; i + sizeof(FORM) < size; i++)
		if (memcmp(text + i, FORM, sizeof(FORM) - 1) == 0)
			last = text + i;
	return !last || !hf_stats_parse(last, size - (size_t)(last - text), &line) ||
	       add_line(r, &line);
}

static bool read_lines(struct hf_stats_report *r, FILE *in)
{
	char text[2 * HF_STATS_LINE]; /* a torn line and a complete one */
	size_t size = 0;
	int c;

	while ((c = getc_unlocked(in)) != EOF) {
		if (c != '\n') {
			if (size < sizeof(text))
				text[size] = (char)c;
			size++;
			continue;
		}
		if (size >= sizeof(text))
			r->skipped++;
		else if (!add_text(r, text, size))
			return false;
		size = 0;
	}
	/* a line without its end is torn, or being written */
	r->skipped += size > 0;
	return true;
}

static int compare_samples(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return a < b ? -1 : a > b;
}

static int compare_locks(const void *left, const void *right)
{
	const struct hf_lock_stats *a = *(struct hf_lock_stats *const *)left;
	const struct hf_lock_stats *b = *(struct hf_lock_stats *const *)right;
	int64_t a_sum = a->times[HF_STATS_WAITED].sum, b_sum = b->times[HF_STATS_WAITED].sum;

	return a_sum != b_sum ? (a_sum < b_sum ? 1 : -1) : strcmp(a->lock, b->lock);
}

/* Keep the locks with these names. */
static void keep_named(struct hf_stats_report *r, const char *const *only)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		bool keep = false;

		for (size_t k = 0; only[k] && !keep; k++) {
			char *name = hf_stats_name(only[k]);

			keep = name && strcmp(name, r->locks[i]->lock) == 0;
			free(name);
		}
		if (keep)
			r->locks[kept++] = r->locks[i];
	}
	r->count = kept;
}

static void sort_report(struct hf_stats_report *r)
{
	for (size_t i = 0; i < r->count; i++) {
		for (size_t k = 0; k < HF_STATS_TIMES; k++) {
			struct hf_samples *samples = &r->locks[i]->times[k];

			if (samples->count)
				qsort(samples->items, samples->count, sizeof(*samples->items),
				      compare_samples);
		}
	}
	if (r->count)
		qsort(r->locks, r->count, sizeof(struct hf_lock_stats *), compare_locks);
}

enum hf_status hf_stats_read(struct hf_stats_report *r, const char *path, const char *const *only,
			     struct hf_err *err)
{
	enum hf_status status = HF_OK;
	FILE *in = fopen(path, "re");

	*r = (struct hf_stats_report){.locks = NULL};
	if (!in)
		return hf_fail_errno_as(err, errno == ENOENT ? HF_NOINPUT : hf_status_of(errno),
					"cannot read '%s'", path);
	errno = 0;
	if (!read_lines(r, in))
		status = hf_fail_errno_as(err, HF_OS, "cannot read '%s'", path);
	else if (ferror(in))
		status = hf_fail_errno_as(err, HF_IO, "cannot read '%s'", path);
	fclose(in);
	if (status != HF_OK) {
		hf_stats_report_free(r);
		return status;
	}
	if (only && *only)
		keep_named(r, only);
	sort_report(r);
	return HF_OK;
}

void hf_stats_report_free(struct hf_stats_report *r)
{
	int saved = errno;

	tdestroy(r->index, free_lock);
	free(r->locks);
	*r = (struct hf_stats_report){.locks = NULL};
	errno = saved;
}

int64_t hf_percentile(const struct hf_samples *samples, int percent)
{
	size_t rank = (samples->count * (size_t)percent + 99) / 100;

	if (!samples->count)
		return -1;
	return samples->items[rank ? rank - 1 : 0];
}

size_t hf_samples_within(const struct hf_samples *samples, int64_t limit)
{
	size_t low = 0, high = samples->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (samples->items[middle] <= limit)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
