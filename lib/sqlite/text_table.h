/* SPDX-License-Identifier: ISC */
#ifndef HF_ROWS_TABLE_H
#define HF_ROWS_TABLE_H

/*
 * A table for people: columns one below the other, as wide as their widest cell, a rule below the
 * heading, numbers to the right.
 *
 * Widths are known only when the last row is there, so every cell is kept until then. Text is made
 * fit to print when it comes in (holdfast/err.h), so a row is a line whatever is in it; a width is
 * counted in characters, not in bytes. No line ends in blanks.
 *
 * The first row that is added is the heading. Zeroed is empty. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>

#include "sqlite/held_output.h"

struct hf_cell;

struct hf_text_table {
	struct hf_cell *cells;
	size_t count, room;
};

/* The next cell, in the order of reading; text is copied. false: no memory. */
bool hf_text_table_add(struct hf_text_table *table, const char *text, bool number);

/* Write it out. An error stays in the outbox. */
void hf_text_table_put(const struct hf_text_table *table, size_t columns, struct hf_deferred *out);

void hf_text_table_free(struct hf_text_table *table);

#endif
