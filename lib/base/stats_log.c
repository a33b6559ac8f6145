/* SPDX-License-Identifier: ISC */
#include "base/stats_log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/sys.h"

#define FORM "holdfast-stats-1"

enum { MAX_NAME = 3500, FIELDS = 11 };

static const char *const outcomes[] = {[HF_OUTCOME_TAKEN] = "taken",
				       [HF_OUTCOME_TIMEOUT] = "timeout",
				       [HF_OUTCOME_BUSY] = "busy",
				       [HF_OUTCOME_BROKEN] = "broken"};

const char *hf_outcome_name(enum hf_outcome outcome)
{
	return outcomes[outcome];
}

static bool is_plain(unsigned char c)
{
	return c > ' ' && c != 0x7f && c != '\\';
}

/* Escape blanks and control characters. Return the length, of which out holds at most size - 1. */
static size_t escape_name(char *out, size_t size, const char *name)
{
	size_t n = 0;

	for (; *name; name++) {
		char piece[5];
		size_t length = is_plain((unsigned char)*name) ? 1 : 4;

		snprintf(piece, sizeof(piece), length == 1 ? "%c" : "\\x%02x",
			 (unsigned char)*name);
		for (size_t i = 0; i < length; i++, n++)
			if (n + 1 < size)
				out[n] = piece[i];
	}
	out[n < size ? n : size - 1] = '\0';
	return n;
}

size_t hf_stats_format(const struct hf_stats_line *line, char out[HF_STATS_LINE])
{
	char name[4 * PATH_MAX], held[24] = "-";
	size_t size = escape_name(name, sizeof(name), line->lock);
	const char *end = name;

	if (line->held >= 0)
		snprintf(held, sizeof(held), "%lld", (long long)line->held);
	if (size > MAX_NAME) {
		end = name + size - MAX_NAME;
		memcpy(name + size - MAX_NAME, "...", 3);
	}
	return (size_t)snprintf(
		out, HF_STATS_LINE, FORM " %lld %.31s %d %.31s %s %d %lld %s %d %s\n",
		(long long)line->when, line->tool, line->pid, line->kind, outcomes[line->outcome],
		line->contended, (long long)line->waited, held, line->breaks, end);
}

/* Parse decimal digits only. */
static bool read_number(const char *text, int64_t most, int64_t *number)
{
	int64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++)
		if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, *text - '0', &n))
			return false;
	*number = n;
	return n <= most;
}

static bool read_int(const char *text, int *number)
{
	int64_t n;

	if (!read_number(text, INT_MAX, &n))
		return false;
	*number = (int)n;
	return true;
}

static bool read_word(const char *text, char word[HF_STATS_WORD])
{
	size_t size = strlen(text);

	for (size_t i = 0; i < size; i++)
		if (!isgraph((unsigned char)text[i]))
			return false;
	if (!size || size >= HF_STATS_WORD)
		return false;
	memcpy(word, text, size + 1);
	return true;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool read_name(const char *text, char name[PATH_MAX])
{
	size_t n = 0;

	for (; *text; text++) {
		int c = (unsigned char)*text;

		if (c == '\\') {
			if (text[1] != 'x' || hex_digit(text[2]) < 0 || hex_digit(text[3]) < 0)
				return false;
			c = 16 * hex_digit(text[2]) + hex_digit(text[3]);
			text += 3;
		} else if (!is_plain((unsigned char)c)) {
			return false;
		}
		if (!c || n + 1 == PATH_MAX)
			return false;
		name[n++] = (char)c;
	}
	name[n] = '\0';
	return n > 0;
}

static bool read_outcome(const char *text, enum hf_outcome *outcome)
{
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		*outcome = (enum hf_outcome)i;
		if (strcmp(text, outcomes[i]) == 0)
			return true;
	}
	return false;
}

bool hf_stats_parse(const char *text, size_t size, struct hf_stats_line *line)
{
	char copy[HF_STATS_LINE], *rest = copy, *field[FIELDS];
	int64_t contended = 0;

	if (size >= sizeof(copy) || memchr(text, '\0', size))
		return false;
	memcpy(copy, text, size);
	copy[size] = '\0';
	for (size_t i = 0; i < FIELDS; i++) {
		field[i] = strsep(&rest, " ");
		if (!field[i])
			return false;
	}
	*line = (struct hf_stats_line){.held = -1};
	if (rest || strcmp(field[0], FORM) != 0 || !read_number(field[1], INT64_MAX, &line->when) ||
	    !read_word(field[2], line->tool) || !read_int(field[3], &line->pid) ||
	    !read_word(field[4], line->kind) || !read_outcome(field[5], &line->outcome) ||
	    !read_number(field[6], 1, &contended) ||
	    !read_number(field[7], INT64_MAX / 1000, &line->waited) ||
	    (strcmp(field[8], "-") != 0 && !read_number(field[8], INT64_MAX / 1000, &line->held)) ||
	    !read_int(field[9], &line->breaks) || !read_name(field[10], line->lock))
		return false;
	line->contended = contended;
	return true;
}

static char *absolute(const char *path)
{
	char *whole = NULL, here[PATH_MAX];

	if (*path == '/')
		return strdup(path);
	if (!getcwd(here, sizeof(here)))
		return NULL;
	return asprintf(&whole, "%s/%s", here, path) < 0 ? NULL : whole;
}

/* Copy one word of a line: "frozen git" would be two. */
static void put_word(char word[HF_STATS_WORD], const char *text)
{
	snprintf(word, HF_STATS_WORD, "%s", text);
	for (char *s = word; *s; s++)
		if (!isgraph((unsigned char)*s))
			*s = *s == ' ' ? '-' : '?';
}

struct hf_stats_sink *hf_stats_open(void)
{
	const char *file = getenv(HF_STATS_ENV);
	char *path = file && *file ? absolute(file) : NULL;
	size_t size = path ? strlen(path) + 1 : 0;
	struct hf_stats_sink *sink = path ? malloc(sizeof(*sink) + size) : NULL;

	if (sink) {
		put_word(sink->tool, program_invocation_short_name);
		memcpy(sink->path, path, size);
	}
	free(path);
	return sink;
}

/* For an absent lock: the real path of its directory. */
char *hf_stats_name(const char *path)
{
	char *real = realpath(path, NULL), *whole = real ? NULL : absolute(path), *name, *dir;

	if (real || !whole)
		return real;
	name = strrchr(whole, '/');
	*name++ = '\0';
	dir = realpath(*whole ? whole : "/", NULL);
	if (asprintf(&real, "%s/%s", !dir ? whole : strcmp(dir, "/") == 0 ? "" : dir, name) < 0)
		real = NULL;
	free(dir);
	free(whole);
	return real;
}

void hf_stats_broken(const char *path, const char *kind)
{
	struct hf_stats stats = {.size = 0};
	struct hf_stats_sink *sink = hf_stats_open();
	char *name = sink ? hf_stats_name(path) : NULL;

	if (name) {
		hf_stats_add(&stats, sink,
			     &(struct hf_stats_event){.lock = name,
						      .kind = kind,
						      .outcome = HF_OUTCOME_BROKEN,
						      .held = -1,
						      .breaks = 1});
		hf_stats_flush(&stats, sink);
	}
	free(name);
	free(sink);
}

void hf_stats_add(struct hf_stats *stats, const struct hf_stats_sink *sink,
		  const struct hf_stats_event *event)
{
	struct hf_stats_line line = {.pid = getpid(),
				     .outcome = event->outcome,
				     .contended = event->contended,
				     .waited = event->waited / 1000,
				     .held = event->held < 0 ? -1 : event->held / 1000,
				     .breaks = event->breaks};
	char text[HF_STATS_LINE];
	struct timespec now;
	size_t size;

	clock_gettime(CLOCK_REALTIME, &now);
	line.when = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	memcpy(line.tool, sink->tool, sizeof(line.tool));
	put_word(line.kind, event->kind);
	snprintf(line.lock, sizeof(line.lock), "%s", event->lock);
	if (!line.tool[0] || !line.lock[0])
		return;
	size = hf_stats_format(&line, text);
	if (stats->size + size > sizeof(stats->text))
		hf_stats_flush(stats, sink);
	memcpy(stats->text + stats->size, text, size);
	stats->size += size;
}

/* Check the limit for file sizes: beyond it the kernel sends SIGXFSZ, which kills. */
static bool is_allowed(const struct stat *st, size_t size)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
	       (limit.rlim_cur == RLIM_INFINITY || (rlim_t)st->st_size + size < limit.rlim_cur);
}

void hf_stats_flush(struct hf_stats *stats, const struct hf_stats_sink *sink)
{
	const int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int saved = errno, fd;
	size_t size = stats->size;
	struct stat st;

	stats->size = 0;
	if (!size)
		return;
	/* without O_CREAT first: it would refuse another user's file in a sticky directory */
	fd = sys_openat(AT_FDCWD, sink->path, flags, 0);
	if (fd < 0 && errno == ENOENT)
		fd = sys_openat(AT_FDCWD, sink->path, flags | O_CREAT, 0666);
	if (fd >= 0) {
		bool may = sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && is_allowed(&st, size);
		ssize_t written = may ? sys_write(fd, stats->text, size) : 0;

		(void)written; /* base/S1 */
		sys_close(fd);
	}
	errno = saved;
}
