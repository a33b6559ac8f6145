/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

enum { MAX_SHOWN = 10, MAX_TEXTS = 1 << 20 };

struct rig_bytes ledger_line(unsigned int number)
{
	static const size_t sizes[] = {40, 1000, 200000};
	size_t size = sizes[number % 3];
	struct rig_bytes line = {malloc(size + 1), size};
	int n;

	if (!line.data)
		rig_die("no memory");
	n = snprintf(line.data, size, "line %u ", number);
	for (size_t i = (size_t)n; i < size - 1; i++)
		line.data[i] = (char)('a' + (number + i) % 26);
	line.data[size - 1] = '\n';
	line.data[size] = '\0';
	return line;
}

struct ledger_text *ledger_of(struct ledger *l, unsigned int number)
{
	unsigned int size = l->texts;

	if (number >= size) {
		while (size <= number)
			size = size ? size * 2 : 64;
		l->text = realloc(l->text, size * sizeof(*l->text));
		if (!l->text)
			rig_die("no memory");
		memset(l->text + l->texts, 0, (size - l->texts) * sizeof(*l->text));
		l->texts = size;
	}
	return &l->text[number];
}

void ledger_wrong(struct ledger *l, unsigned int count, const char *format, ...)
{
	va_list args;

	if (l->wrong < MAX_SHOWN) {
		fputs("WRONG: ", stdout);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		putchar('\n');
	}
	l->wrong += count;
}

/* The number of a line, if it is whole and nothing but that; else -1. */
static long number_of(const char *line, size_t size)
{
	struct rig_bytes wanted;
	unsigned int number;
	bool same;

	if (sscanf(line, "line %u ", &number) != 1 || number >= MAX_TEXTS)
		return -1;
	wanted = ledger_line(number);
	same = size == wanted.size && memcmp(line, wanted.data, size) == 0;
	free(wanted.data);
	return same ? (long)number : -1;
}

void ledger_read(struct ledger *l, const char *path, bool rotated)
{
	struct rig_bytes file;
	size_t at = 0;

	if (!rig_try_slurp(path, &file))
		return;
	while (at < file.size) {
		const char *line = file.data + at;
		const char *end = memchr(line, '\n', file.size - at);
		size_t size = end ? (size_t)(end + 1 - line) : file.size - at;
		long number = end ? number_of(line, size) : -1;

		if (number >= 0) {
			ledger_of(l, (unsigned int)number)->lines++;
			l->lines++;
		} else if (rotated && !end) {
			l->torn++;
		} else {
			ledger_wrong(l, 1,
				     "%s has at %zu a line of %zu bytes that no process wrote: "
				     "%.30s",
				     path, at, size, line);
		}
		at += size;
	}
	free(file.data);
}

void ledger_rows(struct ledger *l, const char *output)
{
	unsigned int number, count;
	int n;

	for (; sscanf(output, "%u|%u\n%n", &number, &count, &n) == 2; output += n)
		if (number < MAX_TEXTS)
			ledger_of(l, number)->rows += count;
	if (*output)
		rig_die("these are no rows: %s", output);
}

static void judge_text(struct ledger *l, unsigned int number)
{
	const struct ledger_text *t = &l->text[number];
	unsigned int least = t->done + t->rows, most = least + t->maybe;

	if (t->rows < t->rows_done)
		ledger_wrong(l, t->rows_done - t->rows, "line %u: %u rows of %u acknowledged",
			     number, t->rows, t->rows_done);
	if (t->rows > t->rows_done + t->rows_maybe)
		ledger_wrong(l, t->rows - t->rows_done - t->rows_maybe,
			     "line %u: %u rows, of %u acknowledged and %u in doubt", number,
			     t->rows, t->rows_done, t->rows_maybe);
	if (t->lines < least)
		ledger_wrong(l, least - t->lines,
			     "line %u is there %u times: lost, of %u acknowledged and %u rows",
			     number, t->lines, t->done, t->rows);
	else if (t->lines > most)
		ledger_wrong(l, t->lines - most,
			     "line %u is there %u times: doubled, of %u acknowledged, %u rows and "
			     "%u in doubt",
			     number, t->lines, t->done, t->rows, t->maybe);
	else
		l->late += t->lines - least;
	if (t->rows > t->rows_done)
		l->late_rows += t->rows - t->rows_done;
}

void ledger_judge(struct ledger *l)
{
	for (unsigned int number = 0; number < l->texts; number++)
		judge_text(l, number);
}
