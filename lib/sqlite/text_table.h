/* SPDX-License-Identifier: ISC */
#ifndef HF_TEXT_TABLE_H
#define HF_TEXT_TABLE_H

/*
 * A text table: aligned columns, as wide as their widest cell, a rule below the heading, numbers to
 * the right.
 *
 * Cells are kept until the last row is added, since only then the widths are known. Text is made
 * printable when it is added (holdfast/err.h), so a row is one line; widths count characters. No
 * line ends with blanks. The first row is the heading. A zeroed struct is empty. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>

#include "sqlite/held_output.h"

struct hf_cell;

struct hf_text_table {
	struct hf_cell *cells;
	size_t count;
};

/* Add the next cell, row by row; text is copied. Return false if out of memory. */
bool hf_text_table_add(struct hf_text_table *table, const char *text, bool number);

/* Write the table. Errors stay in out. */
void hf_text_table_put(const struct hf_text_table *table, size_t columns, struct hf_deferred *out);

void hf_text_table_free(struct hf_text_table *table);

#endif
