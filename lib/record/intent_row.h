/* SPDX-License-Identifier: ISC */
#ifndef HF_INTENT_ROW_H
#define HF_INTENT_ROW_H

/*
 * The format of an intent: tables of columns with their SQL types, forms and members, by which rows
 * are written and read (README.md, Intents).
 *
 *	hf_intent_row_put()	write a struct as a row
 *	hf_intent_row_select(), hf_intent_row_read(), hf_intent_row_free()
 *
 * The form of every value is checked (record/T2). The caller has a transaction. Never waits; a
 * crash leaves what is committed. One thread; not async-signal-safe.
 */

#include "sqlite/query.h"

enum { HF_INTENT_HEAD_COLUMNS = 17, HF_INTENT_FILE_COLUMNS = 12, HF_INTENT_SQL = 2048 };

/* The rows are struct hf_intent and struct hf_intent_file. */
struct hf_intent_table;
extern const struct hf_intent_table hf_intent_heads, hf_intent_files;

/* Write the row, in place of one with the same key. */
enum hf_status hf_intent_row_put(struct hf_db *db, const struct hf_intent_table *table,
				 const void *row, struct hf_err *err);

/* Make a SELECT of the first columns. */
void hf_intent_row_select(char sql[HF_INTENT_SQL], const struct hf_intent_table *table, int columns,
			  const char *rest);

/* Read the columns from `from` up to, but not including, `to` into a row, of which these members
 * are zero; but not the content. Return false if a value does not have the column's form. */
bool hf_intent_row_read(const struct hf_intent_table *table, struct hf_sqlite_stmt *stmt, int from,
			int to, void *row);

/* Free the texts of a row. */
void hf_intent_row_free(const struct hf_intent_table *table, void *row);

#endif
