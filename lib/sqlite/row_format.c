/* SPDX-License-Identifier: ISC */
#include "sqlite/row_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *hf_row_format_real(char out[40], double r, const char *infinity)
{
	if (isinf(r)) {
		snprintf(out, 40, "%s%s", r < 0 ? "-" : "", infinity);
		return out;
	}
	snprintf(out, 38, "%.15g", r);
	if (strtod(out, NULL) != r)
		snprintf(out, 38, "%.17g", r);
	if (!strpbrk(out, ".e"))
		strcat(out, ".0");
	return out;
}

/* A cell of a row, or of the heading. */
struct cell {
	struct hf_db_value value;
	char number[40];
	const char *data; /* NULL: the value is NULL */
	size_t size;
};

/* Read column i of the row, or its name. infinity is the text for an infinite real. */
static void read_cell(struct cell *cell, struct hf_sqlite_stmt *stmt, int i, bool heading,
		      const char *infinity)
{
	const char *name = hf_sqlite_stmt_name(stmt, i);

	cell->value = heading ? HF_DB_TEXT_VALUE(name, strlen(name))
			      : hf_sqlite_stmt_column(stmt, i);
	cell->data = cell->number;
	if (cell->value.type == HF_DB_INT)
		snprintf(cell->number, sizeof(cell->number), "%lld", (long long)cell->value.i);
	else if (cell->value.type == HF_DB_REAL)
		hf_row_format_real(cell->number, cell->value.r, infinity);
	else if (cell->value.type == HF_DB_NULL)
		cell->data = NULL;
	else
		cell->data = cell->value.data ? cell->value.data : "";
	cell->size = cell->data == cell->number ? strlen(cell->number) : cell->value.size;
}

/*
 * List and CSV.
 */

static const char *separator(const struct hf_rows *rows)
{
	if (rows->separator)
		return rows->separator;
	return rows->mode == HF_ROWS_CSV ? "," : "|";
}

static bool needs_quotes(const struct hf_rows *rows, const char *data, size_t size)
{
	const char *between = separator(rows);

	return size == 0 || data[0] == ' ' || data[size - 1] == ' ' || memchr(data, '"', size) ||
	       memchr(data, '\n', size) || memchr(data, '\r', size) ||
	       memmem(data, size, between, strlen(between));
}

static void put_line(struct hf_rows *rows, struct hf_sqlite_stmt *stmt, bool heading)
{
	int columns = hf_sqlite_stmt_columns(stmt);

	for (int i = 0; i < columns; i++) {
		struct cell cell;

		read_cell(&cell, stmt, i, heading, "Inf");
		hf_deferred_text(rows->out, i ? separator(rows) : "");
		if (!cell.data)
			hf_deferred_text(rows->out, rows->null ? rows->null : "");
		else if (rows->mode == HF_ROWS_CSV && needs_quotes(rows, cell.data, cell.size))
			hf_deferred_quoted(rows->out, cell.data, cell.size, '"');
		else
			hf_deferred_write(rows->out, cell.data, cell.size);
	}
	hf_deferred_text(rows->out, "\n");
}

/*
 * JSON.
 */

/* Text is followed by a NUL, where a sequence ends. A C1 control, which hf_utf8_length() refuses,
 * is valid in JSON. */
static size_t utf8_length(const char *s)
{
	bool is_c1 = s[0] == '\xc2' && (s[1] & 0xe0) == 0x80;

	return is_c1 ? 2 : hf_utf8_length(s);
}

static void put_json_text(struct hf_deferred *out, const char *s, size_t size)
{
	const char *end = s + size, *plain = s;

	hf_deferred_text(out, "\"");
	while (s < end) {
		size_t n = utf8_length(s);

		if (n && (unsigned char)*s >= 0x20 && *s != '"' && *s != '\\') {
			s += n;
			continue;
		}
		hf_deferred_write(out, plain, (size_t)(s - plain));
		if (!n)
			hf_deferred_text(out, "\xef\xbf\xbd");
		else if (*s == '"' || *s == '\\')
			hf_deferred_print(out, "\\%c", *s);
		else if (*s == '\n' || *s == '\t')
			hf_deferred_text(out, *s == '\n' ? "\\n" : "\\t");
		else
			hf_deferred_print(out, "\\u%04x", *s);
		plain = ++s;
	}
	hf_deferred_write(out, plain, (size_t)(s - plain));
	hf_deferred_text(out, "\"");
}

static void put_object(struct hf_rows *rows, struct hf_sqlite_stmt *stmt)
{
	int columns = hf_sqlite_stmt_columns(stmt);
	struct cell cell;

	hf_deferred_text(rows->out, rows->count ? ",\n{" : "{");
	for (int i = 0; i < columns; i++) {
		read_cell(&cell, stmt, i, true, "");
		hf_deferred_text(rows->out, i ? "," : "");
		put_json_text(rows->out, cell.data, cell.size);
		hf_deferred_text(rows->out, ":");
		read_cell(&cell, stmt, i, false, "1e999");
		if (!cell.data) {
			hf_deferred_text(rows->out, "null");
		} else if (cell.value.type == HF_DB_TEXT) {
			put_json_text(rows->out, cell.data, cell.size);
		} else if (cell.value.type == HF_DB_BLOB) {
			hf_deferred_text(rows->out, "\"");
			hf_deferred_hex(rows->out, cell.data, cell.size, "0123456789abcdef");
			hf_deferred_text(rows->out, "\"");
		} else {
			hf_deferred_write(rows->out, cell.data, cell.size);
		}
	}
	hf_deferred_text(rows->out, "}");
}

/*
 * Tables.
 */

static char *as_string(const struct cell *cell, const char *null)
{
	char *text;

	if (!cell->data)
		return strdup(null ? null : "");
	if (cell->value.type != HF_DB_BLOB)
		return strndup(cell->data, cell->size);
	text = calloc(2, cell->size + 1);
	for (size_t i = 0; text && i < cell->size; i++)
		sprintf(text + 2 * i, "%02x", (unsigned char)cell->data[i]);
	return text;
}

static bool add_row(struct hf_rows *rows, struct hf_sqlite_stmt *stmt, bool heading)
{
	int columns = hf_sqlite_stmt_columns(stmt);
	bool ok = true;

	for (int i = 0; i < columns && ok; i++) {
		struct cell cell;
		char *text;

		read_cell(&cell, stmt, i, heading, "Inf");
		text = as_string(&cell, rows->null);
		ok = text && hf_text_table_add(&rows->table, text, cell.data == cell.number);
		free(text);
	}
	return ok;
}

/*
 * All of them.
 */

void hf_row_format_begin(struct hf_rows *rows, struct hf_sqlite_stmt *stmt)
{
	rows->count = 0;
	if (hf_sqlite_stmt_columns(stmt) == 0)
		return;
	if (rows->mode == HF_ROWS_JSON)
		hf_deferred_text(rows->out, "[");
	else if (rows->mode == HF_ROWS_TABLE)
		add_row(rows, stmt, true);
	else if (rows->header)
		put_line(rows, stmt, true);
}

enum hf_status hf_row_format_row(struct hf_rows *rows, struct hf_sqlite_stmt *stmt,
				 struct hf_err *err)
{
	if (rows->mode == HF_ROWS_JSON)
		put_object(rows, stmt);
	else if (rows->mode != HF_ROWS_TABLE)
		put_line(rows, stmt, false);
	else if (!add_row(rows, stmt, false))
		return hf_fail(err, HF_OS, "cannot keep the output: out of memory");
	rows->count++;
	return hf_deferred_check(rows->out, err);
}

void hf_row_format_end(struct hf_rows *rows, struct hf_sqlite_stmt *stmt)
{
	int columns = hf_sqlite_stmt_columns(stmt);

	if (columns == 0)
		return;
	if (rows->mode == HF_ROWS_JSON)
		hf_deferred_text(rows->out, "]\n");
	else if (rows->mode == HF_ROWS_TABLE && rows->count)
		hf_text_table_put(&rows->table, (size_t)columns, rows->out);
	hf_text_table_free(&rows->table);
}
