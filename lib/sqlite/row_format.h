/* SPDX-License-Identifier: ISC */
#ifndef HF_ROW_FORMAT_H
#define HF_ROW_FORMAT_H

/*
 * Format the rows of a query.
 *
 *	list	values with "|" between them; NULL is empty. sqlite3's default
 *	csv	RFC 4180 with "\n" at the end of lines. A value is quoted where necessary, and if
 *		it is an empty text; NULL is empty without quotes
 *	json	an array of objects for each query, also for one without rows
 *	table	aligned columns with a heading (sqlite/text_table.h). Needs memory for all rows
 *
 * A real has the digits that read back to the same number, and always a point or an exponent. Blobs
 * are raw bytes in list and csv, hexadecimal in json and table. Invalid UTF-8 is U+FFFD in json.
 * Not thread-safe.
 */

#include <stdbool.h>

#include "sqlite/held_output.h"
#include "sqlite/text_table.h"
#include "sqlite/connection.h"

enum hf_row_format_mode { HF_ROWS_LIST, HF_ROWS_CSV, HF_ROWS_JSON, HF_ROWS_TABLE };

struct hf_rows {
	struct hf_deferred *out;
	enum hf_row_format_mode mode;
	bool header;
	const char *separator; /* NULL: that of the mode */
	const char *null;      /* printed for NULL in list, csv and table; NULL: nothing */

	/* of the present query */
	int64_t count;
	struct hf_text_table table; /* free it to discard an unfinished query */
};

/* Begin a query, format one row, end the query. Output errors stay in out (sqlite/held_output.h).
 * HF_OS: out of memory for a table. A statement without columns prints nothing. */
void hf_row_format_begin(struct hf_rows *rows, struct hf_sqlite_stmt *stmt);
enum hf_status hf_row_format_row(struct hf_rows *rows, struct hf_sqlite_stmt *stmt,
				 struct hf_err *err);
void hf_row_format_end(struct hf_rows *rows, struct hf_sqlite_stmt *stmt);

/* Format a real as above; infinity is its text, without a sign. Return out. */
char *hf_row_format_real(char out[40], double r, const char *infinity);

#endif
