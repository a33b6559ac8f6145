/* SPDX-License-Identifier: ISC */
#include "sqlite/text_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* Printable text. */
struct hf_cell {
	char *text;
	size_t width; /* in characters */
	bool number;
};

static size_t count_characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

bool hf_text_table_add(struct hf_text_table *table, const char *text, bool number)
{
	struct hf_cell *cell = hf_array_add(&table->cells, &table->count, sizeof(*cell));
	size_t size = 4 * strlen(text) + 1;

	if (!cell)
		return false;
	*cell = (struct hf_cell){.text = malloc(size), .number = number};
	if (!cell->text)
		return false;
	hf_escape(cell->text, size, text);
	cell->width = count_characters(cell->text);
	return true;
}

static void put_padding(struct hf_deferred *out, size_t count, char with)
{
	for (; count > 0; count--)
		hf_deferred_write(out, &with, 1);
}

/* Put a cell, with numbers to the right. Blanks are written when text follows, so that no line ends
 * with blanks. */
static void put_cell(struct hf_deferred *out, const struct hf_cell *cell, size_t width,
		     size_t *blanks)
{
	size_t padding = width - cell->width;

	if (cell->number)
		*blanks += padding;
	if (cell->width) {
		put_padding(out, *blanks, ' ');
		*blanks = 0;
	}
	hf_deferred_text(out, cell->text);
	*blanks += 2 + (cell->number ? 0 : padding);
}

static void put_rule(struct hf_deferred *out, const size_t *widths, size_t columns)
{
	for (size_t i = 0; i < columns; i++) {
		hf_deferred_text(out, i ? "  " : "");
		put_padding(out, widths[i], '-');
	}
	hf_deferred_text(out, "\n");
}

void hf_text_table_put(const struct hf_text_table *table, size_t columns, struct hf_deferred *out)
{
	size_t *widths = calloc(columns, sizeof(*widths)), blanks = 0;

	if (!widths) {
		hf_fail(&out->failed, HF_OS, "cannot keep the output: out of memory");
		return;
	}
	for (size_t i = 0; i < table->count; i++)
		if (table->cells[i].width > widths[i % columns])
			widths[i % columns] = table->cells[i].width;
	for (size_t i = 0; i < table->count; i++) {
		put_cell(out, &table->cells[i], widths[i % columns], &blanks);
		if ((i + 1) % columns)
			continue;
		blanks = 0;
		hf_deferred_text(out, "\n");
		if (i < columns)
			put_rule(out, widths, columns);
	}
	free(widths);
}

void hf_text_table_free(struct hf_text_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	*table = (struct hf_text_table){0};
}
