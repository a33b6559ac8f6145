/* SPDX-License-Identifier: ISC */
#ifndef HF_ROWS_H
#define HF_ROWS_H

/*
 * The rows of a query, written out.
 *
 *	list	values with "|" between them; NULL is nothing. What sqlite3 prints by default.
 *	csv	as RFC 4180, with "\n" at the end of lines. A value is quoted where it must be, and
 *		where it is an empty text: NULL is nothing, without quotes.
 *	json	an array of objects for each query, also for one without rows
 *	table	columns one below the other, with a heading (text_table.h). Takes memory for all
 *		rows of a query.
 *
 * Numbers: a real has as many digits as it takes to read the same number again, and always a point
 * or an exponent. Blobs are their bytes in list and csv, and hexadecimal in json and table. Text in
 * json that is no UTF-8 is U+FFFD. Not thread-safe.
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
	const char *separator; /* NULL: the mode's own */
	const char *null;      /* what stands for NULL in list, csv and table; NULL: nothing */

	/* of the query at hand */
	int64_t count;
	struct hf_text_table table;
};

/* A query begins, each of its rows, and it ends. Errors of the output stay in it
 * (sqlite/held_output.h); HF_OS: no memory for a table. A statement without columns writes
 * nothing. */
void hf_row_format_begin(struct hf_rows *rows, struct hf_sqlite_stmt *stmt);
enum hf_status hf_row_format_row(struct hf_rows *rows, struct hf_sqlite_stmt *stmt,
				 struct hf_err *err);
void hf_row_format_end(struct hf_rows *rows, struct hf_sqlite_stmt *stmt);

/* Forget a query in the middle. */
void hf_row_format_drop(struct hf_rows *rows);

/* The number as text, as above. Returns out. */
char *hf_row_format_real(char out[40], double r);

#endif
