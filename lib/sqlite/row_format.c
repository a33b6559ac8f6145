/* SPDX-License-Identifier: ISC */
#include "sqlite/row_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *hf_row_format_real(char out[40], double r)
{
	if (isinf(r)) {
		strcpy(out, r < 0 ? "-Inf" : "Inf");
		return out;
	}
	snprintf(out, 38, "%.15g", r);
	if (strtod(out, NULL) != r)
		snprintf(out, 38, "%.17g", r);
	if (!strpbrk(out, ".e"))
		strcat(out, ".0");
	return out;
}

/* Return the value's bytes, in `number` if it has none of its own; false for NULL. */
static bool bytes_of(const struct hf_db_value *value, char number[40], const char **data,
		     size_t *size)
{
	*data = number;
	switch (value->type) {
	case HF_DB_INT:
		snprintf(number, 40, "%lld", (long long)value->i);
		break;
	case HF_DB_REAL:
		hf_row_format_real(number, value->r);
		break;
	case HF_DB_TEXT:
	case HF_DB_BLOB:
		*data = value->data ? value->data : "";
		*size = value->size;
		return true;
	default:
		return false;
	}
	*size = strlen(number);
	return true;
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

static void put_csv(struct hf_rows *rows, const char *data, size_t size)
{
	const char *end = data + size;

	if (!needs_quotes(rows, data, size)) {
		hf_deferred_write(rows->out, data, size);
		return;
	}
	hf_deferred_text(rows->out, "\"");
	while (data < end) {
		const char *quote = memchr(data, '"', (size_t)(end - data));
		const char *stop = quote ? quote + 1 : end;

		hf_deferred_write(rows->out, data, (size_t)(stop - data));
		if (quote)
			hf_deferred_text(rows->out, "\"");
		data = stop;
	}
	hf_deferred_text(rows->out, "\"");
}

static void put_plain(struct hf_rows *rows, const char *data, size_t size)
{
	if (rows->mode == HF_ROWS_CSV)
		put_csv(rows, data, size);
	else
		hf_deferred_write(rows->out, data, size);
}

static void put_line(struct hf_rows *rows, struct hf_sqlite_stmt *stmt)
{
	int columns = hf_sqlite_stmt_columns(stmt);

	for (int i = 0; i < columns; i++) {
		struct hf_db_value value = hf_sqlite_stmt_column(stmt, i);
		const char *data;
		char number[40];
		size_t size;

		if (i)
			hf_deferred_text(rows->out, separator(rows));
		if (bytes_of(&value, number, &data, &size))
			put_plain(rows, data, size);
		else if (rows->null)
			hf_deferred_text(rows->out, rows->null);
	}
	hf_deferred_text(rows->out, "\n");
}

static void put_names(struct hf_rows *rows, struct hf_sqlite_stmt *stmt)
{
	int columns = hf_sqlite_stmt_columns(stmt);

	for (int i = 0; i < columns; i++) {
		const char *name = hf_sqlite_stmt_name(stmt, i);

		if (i)
			hf_deferred_text(rows->out, separator(rows));
		put_plain(rows, name, strlen(name));
	}
	hf_deferred_text(rows->out, "\n");
}

/*
 * JSON.
 */

/* Return the length of the valid UTF-8 sequence at s, 0 if it is invalid (also surrogates,
 * overlong). */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t n = *s < 0x80   ? 1
		   : *s < 0xc2 ? 0
		   : *s < 0xe0 ? 2
		   : *s < 0xf0 ? 3
		   : *s < 0xf5 ? 4
			       : 0;

	if (n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void put_json_text(struct hf_deferred *out, const char *data, size_t size)
{
	const unsigned char *s = (const unsigned char *)data, *end = s + size, *plain = s;

	hf_deferred_text(out, "\"");
	while (s < end) {
		size_t n = utf8_length(s, (size_t)(end - s));

		if (n && *s >= 0x20 && *s != '"' && *s != '\\') {
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

static void put_hex(struct hf_deferred *out, const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		hf_deferred_print(out, "%02x", data[i]);
}

static void put_json_value(struct hf_deferred *out, const struct hf_db_value *value)
{
	const char *data;
	char number[40];
	size_t size;

	if (!bytes_of(value, number, &data, &size)) {
		hf_deferred_text(out, "null");
	} else if (value->type == HF_DB_TEXT) {
		put_json_text(out, data, size);
	} else if (value->type == HF_DB_BLOB) {
		hf_deferred_text(out, "\"");
		put_hex(out, (const unsigned char *)data, size);
		hf_deferred_text(out, "\"");
	} else if (value->type == HF_DB_REAL && isinf(value->r)) {
		hf_deferred_text(out, value->r < 0 ? "-1e999" : "1e999");
	} else {
		hf_deferred_write(out, data, size);
	}
}

static void put_object(struct hf_rows *rows, struct hf_sqlite_stmt *stmt)
{
	int columns = hf_sqlite_stmt_columns(stmt);

	hf_deferred_text(rows->out, rows->count ? ",\n{" : "{");
	for (int i = 0; i < columns; i++) {
		struct hf_db_value value = hf_sqlite_stmt_column(stmt, i);
		const char *name = hf_sqlite_stmt_name(stmt, i);

		if (i)
			hf_deferred_text(rows->out, ",");
		put_json_text(rows->out, name, strlen(name));
		hf_deferred_text(rows->out, ":");
		put_json_value(rows->out, &value);
	}
	hf_deferred_text(rows->out, "}");
}

/*
 * Tables.
 */

static char *as_string(const struct hf_db_value *value, const char *null)
{
	const unsigned char *bytes = value->data;
	const char *data;
	char number[40], *text;
	size_t size;

	if (!bytes_of(value, number, &data, &size))
		return strdup(null ? null : "");
	if (value->type != HF_DB_BLOB)
		return strndup(data, size);
	text = malloc(2 * size + 1);
	if (!text)
		return NULL;
	*text = '\0';
	for (size_t i = 0; i < size; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	return text;
}

static bool add_row(struct hf_rows *rows, struct hf_sqlite_stmt *stmt)
{
	int columns = hf_sqlite_stmt_columns(stmt);
	bool ok = true;

	for (int i = 0; i < columns && ok; i++) {
		struct hf_db_value value = hf_sqlite_stmt_column(stmt, i);
		char *text = as_string(&value, rows->null);

		ok = text && hf_text_table_add(&rows->table, text,
					       value.type == HF_DB_INT || value.type == HF_DB_REAL);
		free(text);
	}
	return ok;
}

/*
 * All of them.
 */

void hf_row_format_begin(struct hf_rows *rows, struct hf_sqlite_stmt *stmt)
{
	int columns = hf_sqlite_stmt_columns(stmt);

	rows->count = 0;
	if (columns == 0)
		return;
	if (rows->mode == HF_ROWS_JSON)
		hf_deferred_text(rows->out, "[");
	else if (rows->mode == HF_ROWS_TABLE)
		for (int i = 0; i < columns; i++)
			hf_text_table_add(&rows->table, hf_sqlite_stmt_name(stmt, i), false);
	else if (rows->header)
		put_names(rows, stmt);
}

enum hf_status hf_row_format_row(struct hf_rows *rows, struct hf_sqlite_stmt *stmt,
				 struct hf_err *err)
{
	if (rows->mode == HF_ROWS_JSON)
		put_object(rows, stmt);
	else if (rows->mode != HF_ROWS_TABLE)
		put_line(rows, stmt);
	else if (!add_row(rows, stmt))
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
	hf_row_format_drop(rows);
}

void hf_row_format_drop(struct hf_rows *rows)
{
	hf_text_table_free(&rows->table);
}
