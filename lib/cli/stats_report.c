/* SPDX-License-Identifier: ISC */
#include "cli/stats_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define FORM "holdfast-stats-"

static bool add_sample(struct hf_samples *samples, int64_t sample)
{
	int64_t *added = hf_array_add(&samples->at, &samples->count, sizeof(*added));

	if (!added)
		return false;
	*added = sample;
	if (__builtin_add_overflow(samples->sum, sample, &samples->sum))
		samples->sum = INT64_MAX;
	return true;
}

static size_t hash_lock(const char *kind, const char *lock)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *kind; kind++)
		h = (h ^ (unsigned char)*kind) * UINT64_C(0x100000001b3);
	for (; *lock; lock++)
		h = (h ^ (unsigned char)*lock) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 32);
}

/* Return the slot of this lock in the index: its number plus one, or 0 if it is new. */
static size_t *find_slot(struct hf_stats_report *r, const char *kind, const char *lock)
{
	size_t i = hash_lock(kind, lock) & (r->index_size - 1);

	for (; r->index[i]; i = (i + 1) & (r->index_size - 1)) {
		const struct hf_lock_stats *at = &r->locks[r->index[i] - 1];

		if (strcmp(at->lock, lock) == 0 && strcmp(at->kind, kind) == 0)
			break;
	}
	return &r->index[i];
}

/* Resize the index to at least twice as many slots as locks. */
static bool grow_index(struct hf_stats_report *r)
{
	size_t size = r->index_size ? 2 * r->index_size : 64;
	size_t *index;

	if (2 * r->count < r->index_size)
		return true;
	index = calloc(size, sizeof(*index));
	if (!index)
		return false;
	free(r->index);
	r->index = index;
	r->index_size = size;
	for (size_t i = 0; i < r->count; i++)
		*find_slot(r, r->locks[i].kind, r->locks[i].lock) = i + 1;
	return true;
}

static struct hf_lock_stats *find_or_add_lock(struct hf_stats_report *r,
					      const struct hf_stats_line *line)
{
	struct hf_lock_stats *stats;
	size_t *at;

	if (!grow_index(r))
		return NULL;
	at = find_slot(r, line->kind, line->lock);
	if (*at)
		return &r->locks[*at - 1];
	stats = hf_array_add(&r->locks, &r->count, sizeof(*stats));
	if (!stats)
		return NULL;
	stats->lock = strdup(line->lock);
	memcpy(stats->kind, line->kind, sizeof(stats->kind));
	if (!stats->lock)
		return NULL;
	*at = r->count;
	return stats;
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
	stats->breaks += line->breaks;
	stats->contended += line->contended;
	switch (line->outcome) {
	case HF_OUTCOME_TAKEN:
		stats->taken++;
		return add_sample(&stats->waits, line->waited) &&
		       (line->held < 0 || add_sample(&stats->holds, line->held));
	case HF_OUTCOME_TIMEOUT:
		stats->timeouts++;
		return true;
	case HF_OUTCOME_BUSY:
		stats->busy++;
		return true;
	default:
		return true;
	}
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
	const struct hf_lock_stats *a = left, *b = right;

	if (a->waits.sum != b->waits.sum)
		return a->waits.sum < b->waits.sum ? 1 : -1;
	return strcmp(a->lock, b->lock);
}

static void sort_samples(struct hf_samples *samples)
{
	if (samples->count > 1)
		qsort(samples->at, samples->count, sizeof(*samples->at), compare_samples);
}

static void free_lock(struct hf_lock_stats *stats)
{
	free(stats->lock);
	free(stats->waits.at);
	free(stats->holds.at);
}

/* Keep the wanted locks. */
static void keep_wanted(struct hf_stats_report *r, const char *const *only)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++) {
		bool wanted = false;

		for (size_t k = 0; only[k] && !wanted; k++) {
			char *name = hf_stats_name(only[k]);

			wanted = name && strcmp(name, r->locks[i].lock) == 0;
			free(name);
		}
		if (wanted)
			r->locks[kept++] = r->locks[i];
		else
			free_lock(&r->locks[i]);
	}
	r->count = kept;
}

static void sort_report(struct hf_stats_report *r)
{
	free(r->index);
	r->index = NULL;
	for (size_t i = 0; i < r->count; i++) {
		sort_samples(&r->locks[i].waits);
		sort_samples(&r->locks[i].holds);
	}
	if (r->count > 1)
		qsort(r->locks, r->count, sizeof(*r->locks), compare_locks);
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
		keep_wanted(r, only);
	sort_report(r);
	return HF_OK;
}

void hf_stats_report_free(struct hf_stats_report *r)
{
	int saved = errno;

	for (size_t i = 0; i < r->count; i++)
		free_lock(&r->locks[i]);
	free(r->locks);
	free(r->index);
	*r = (struct hf_stats_report){.locks = NULL};
	errno = saved;
}

int64_t hf_percentile(const struct hf_samples *samples, int percent)
{
	size_t rank = (samples->count * (size_t)percent + 99) / 100;

	if (!samples->count)
		return -1;
	return samples->at[rank ? rank - 1 : 0];
}

size_t hf_samples_within(const struct hf_samples *samples, int64_t limit)
{
	size_t low = 0, high = samples->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (samples->at[middle] <= limit)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
