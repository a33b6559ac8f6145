/* SPDX-License-Identifier: ISC */
#include "cli/status_cli.h"

#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/live_view.h"
#include <holdfast/clock.h>
#include <holdfast/proc.h>

enum { KIND, STATE, PID, SINCE, WAITERS, COMMAND, PATH, COLUMNS };
enum { MIN_COMMAND = 12, FAIR_COMMAND = 30, CELL = 4 * 160 };

/* A line of the table, without the path, which may have any length. */
struct line {
	const struct hf_status_row *row; /* NULL: not the first line of a lock */
	char cell[PATH][CELL];
};

struct widths {
	size_t of[PATH];
};

/* Return the number of columns. */
static size_t width_of(const char *text)
{
	size_t n = 0, length;

	for (; *text; text += length)
		n += hf_live_view_columns(text, &length);
	return n;
}

/* Print text in `width` columns; cut text ends with "…". */
static void put_cell(FILE *out, const char *text, size_t width, bool right)
{
	size_t has = width_of(text), limit = has > width ? width - 1 : width, n = 0, length;

	if (right && has < width)
		fprintf(out, "%*s", (int)(width - has), "");
	for (; *text; text += length) {
		size_t columns = hf_live_view_columns(text, &length);

		if (n + columns > limit)
			break;
		n += columns;
		fwrite(text, 1, length, out);
	}
	if (has > width && ++n)
		fputs("…", out);
	if (!right && n < width)
		fprintf(out, "%*s", (int)(width - n), "");
}

static void put_path(FILE *out, const struct hf_status_row *row)
{
	size_t size = row->path ? 4 * strlen(row->path) + 1 : 0;
	char *text = size ? malloc(size) : NULL;

	if (text) {
		hf_escape(text, size, row->path);
		fprintf(out, "%s%s", text, row->deleted ? " (deleted)" : "");
	} else if (row->id.inode) {
		fprintf(out, "(device %02x:%02x, inode %llu)", row->id.major, row->id.minor,
			row->id.inode);
	}
	free(text);
}

static void fill_process(struct line *line, const struct hf_lock_process *party, int64_t since)
{
	if (party->pid > 0)
		snprintf(line->cell[PID], CELL, "%d", (int)party->pid);
	else
		snprintf(line->cell[PID], CELL, "?");
	hf_proc_time(line->cell[SINCE], CELL, since);
	if (party->command[0])
		hf_escape(line->cell[COMMAND], CELL, party->command);
	else
		snprintf(line->cell[COMMAND], CELL, "(unseen)");
}

/* Count the processes, other than the first, that hold the lock. One may hold it in several
 * ways. */
static size_t count_others(const struct hf_status_row *row)
{
	size_t count = 0;

	for (size_t i = 1; i < row->holder_count; i++) {
		size_t k = 0;

		while (k < i && row->holders[k].pid != row->holders[i].pid)
			k++;
		count += k == i || row->holders[i].pid <= 0;
	}
	return count;
}

static void fill_first(struct line *line, const struct hf_status_row *row, bool every)
{
	size_t used, others = count_others(row);

	*line = (struct line){.row = row};
	snprintf(line->cell[KIND], CELL, "%s", row->kind);
	snprintf(line->cell[STATE], CELL, "%s%s", hf_verdict_name(row->state),
		 row->mine ? "*" : "");
	if (row->holder_count)
		fill_process(line, &row->holders[0],
			     row->taken ? row->taken : row->holders[0].since);
	else
		hf_proc_time(line->cell[SINCE], CELL, row->taken);
	used = strlen(line->cell[PID]);
	if (others && !every)
		snprintf(line->cell[PID] + used, CELL - used, " +%zu", others);
	if (row->state != HF_VERDICT_FREE)
		snprintf(line->cell[WAITERS], CELL, "%zu", row->waiter_count);
}

static const struct line head = {
	.cell = {[KIND] = "KIND",
		 [STATE] = "STATE",
		 [PID] = "PID",
		 [SINCE] = "SINCE",
		 [WAITERS] = "WAIT",
		 [COMMAND] = "COMMAND"},
};

static void measure_line(struct widths *widths, const struct line *line)
{
	for (size_t i = 0; i < PATH; i++) {
		size_t width = width_of(line->cell[i]);

		if (width > widths->of[i])
			widths->of[i] = width;
	}
}

static void put_line(FILE *out, const struct line *line, const struct widths *widths)
{
	for (size_t i = 0; i < PATH; i++) {
		put_cell(out, line->cell[i], widths->of[i], i == PID || i == WAITERS);
		fputs("  ", out);
	}
	if (line == &head)
		fputs("PATH", out);
	else if (line->row)
		put_path(out, line->row);
	putc('\n', out);
}

static void put_reasons(FILE *out, const struct hf_status_row *row, size_t indent)
{
	for (const char *text = row->reasons; text && *text;) {
		int size = (int)strcspn(text, "\n");

		fprintf(out, "%*s%.*s\n", (int)indent, "", size, text);
		text += size + (text[size] == '\n');
	}
	if (row->state == HF_VERDICT_STALE || row->state == HF_VERDICT_UNKNOWN)
		fprintf(out, "%*s%s\n", (int)indent, "", hf_status_verdict(row->state));
}

/* Print a line for each further holder and each waiter. */
static void put_processes(FILE *out, const struct hf_status_row *row, const struct widths *widths)
{
	for (size_t i = 1; i < row->holder_count + row->waiter_count; i++) {
		bool waits = i >= row->holder_count;
		const struct hf_lock_process *party =
			waits ? &row->waiters[i - row->holder_count] : &row->holders[i];
		struct line line = {.row = NULL};

		fill_process(&line, party, party->since);
		snprintf(line.cell[STATE], CELL, "%s", waits ? "waits" : "");
		put_line(out, &line, widths);
	}
}

/* Shorten the commands so that the longest path that fits is shown; if none fits, to a fair share.
 * others: the columns of everything else. */
static size_t command_width(const struct hf_lock_status *list, size_t has, size_t others,
			    size_t width, bool mine)
{
	size_t min = has < MIN_COMMAND ? has : MIN_COMMAND, longest = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct hf_status_row *row = &list->rows[i];
		size_t path = row->path && (row->mine || !mine) ? width_of(row->path) : 0;

		if (path > longest && others + min + path <= width)
			longest = path;
	}
	if (!longest)
		return has < FAIR_COMMAND ? has : FAIR_COMMAND;
	return others + has + longest <= width ? has : width - others - longest;
}

void hf_status_table(FILE *out, const struct hf_lock_status *list, enum hf_status_detail detail,
		     size_t width, bool mine)
{
	struct widths widths = {{0}};
	size_t sum = 2 * PATH;
	struct line line;

	measure_line(&widths, &head);
	for (size_t i = 0; i < list->count; i++) {
		const struct hf_status_row *row = &list->rows[i];

		if (mine && !row->mine)
			continue;
		fill_first(&line, row, detail == HF_STATUS_EVERY);
		measure_line(&widths, &line);
	}
	for (size_t i = 0; i < PATH; i++)
		sum += widths.of[i];
	sum -= widths.of[COMMAND];
	widths.of[COMMAND] = command_width(list, widths.of[COMMAND], sum, width, mine);
	put_line(out, &head, &widths);
	for (size_t i = 0; i < list->count; i++) {
		const struct hf_status_row *row = &list->rows[i];

		if (mine && !row->mine)
			continue;
		fill_first(&line, row, detail == HF_STATUS_EVERY);
		put_line(out, &line, &widths);
		if (detail == HF_STATUS_EVERY)
			put_processes(out, row, &widths);
		if (detail != HF_STATUS_LINES)
			put_reasons(out, row, widths.of[KIND] + 2);
	}
}

static void put_keeper(struct hf_json *json, const struct hf_lock_process *party)
{
	hf_json_begin(json, "keeper", '{');
	hf_json_positive(json, "owner", party->owner);
	hf_json_seconds(json, "left", party->left);
	hf_json_end(json);
}

static void put_process(struct hf_json *json, const struct hf_status_row *row,
			const struct hf_lock_process *party, bool holds)
{
	bool range = strcmp(row->kind, "posix") == 0 || strcmp(row->kind, "ofd") == 0;

	hf_json_begin(json, NULL, '{');
	hf_json_positive(json, "pid", party->pid);
	hf_json_text(json, "command", party->command[0] ? party->command : NULL);
	hf_json_time(json, "since", party->since);
	if (holds)
		hf_json_text(json, "via", hf_via_name(party->via));
	if (party->fd >= 0)
		hf_json_number(json, "fd", party->fd);
	if (party->keeps)
		put_keeper(json, party);
	if (party->role) {
		hf_json_text(json, "role", party->role);
		hf_json_flag(json, "pins", party->pins);
	}
	hf_json_text(json, "mode", party->exclusive ? "exclusive" : "shared");
	if (range)
		hf_json_number(json, "start", party->start);
	if (range && party->last == INT64_MAX)
		hf_json_null(json, "last");
	else if (range)
		hf_json_number(json, "last", party->last);
	hf_json_end(json);
}

static void put_row(struct hf_json *json, const struct hf_status_row *row)
{
	hf_json_begin(json, NULL, '{');
	hf_json_text(json, "kind", row->kind);
	hf_json_text(json, "path", row->path);
	hf_json_text(json, "state", hf_verdict_name(row->state));
	hf_json_flag(json, "mine", row->mine);
	if (row->deleted)
		hf_json_flag(json, "deleted", true);
	if (row->id.inode)
		hf_json_number(json, "inode", (long long)row->id.inode);
	if (row->taken)
		hf_json_time(json, "taken", row->taken);
	hf_json_begin(json, "holders", '[');
	for (size_t i = 0; i < row->holder_count; i++)
		put_process(json, row, &row->holders[i], true);
	hf_json_end(json);
	hf_json_begin(json, "waiters", '[');
	for (size_t i = 0; i < row->waiter_count; i++)
		put_process(json, row, &row->waiters[i], false);
	hf_json_end(json);
	hf_json_text(json, "verdict", hf_status_verdict(row->state));
	hf_json_lines(json, "reasons", row->reasons);
	hf_json_end(json);
}

void hf_status_json(FILE *out, const struct hf_lock_status *list, bool mine)
{
	struct hf_json json = {.out = out};

	for (size_t i = 0; i < list->count; i++)
		if (!mine || list->rows[i].mine)
			put_row(&json, &list->rows[i]);
}
