/* SPDX-License-Identifier: ISC */
#include "record/intent_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/intent.h"

/* ---- the format ----------------------------------------------------------------------------- */

enum form {
	INTEGER, /* of int or int64_t, from min to max */
	TEXT,	 /* char *, NULL for NULL */
	WORD,	 /* char[], of these characters only; "" for NULL */
	CONTENT, /* content and size of a file */
};

struct column {
	const char *name, *type;
	enum form form;
	size_t offset, size; /* of the member with this value */
	int64_t min, max;
	const char *characters;
};

struct hf_intent_table {
	const char *name, *key;
	const struct column *columns;
	size_t count;
};

enum { MAX_COLUMNS = 17, SQL_SIZE = 1024, VERSION_2_COLUMNS = 3 };

static const char hex_digits[] = "0123456789abcdef";
/* of a part of a file name; of numbers */
static const char mark_characters[] = "0123456789abcdef-.record";
static const char identity_characters[] = "0123456789abcdef ";

#define HEAD(member) offsetof(struct hf_intent, member), sizeof(((struct hf_intent *)NULL)->member)
#define FILE_(member)                                                                              \
	offsetof(struct hf_intent_file, member), sizeof(((struct hf_intent_file *)NULL)->member)

static const struct column head_columns[] = {
	{"id", "TEXT PRIMARY KEY NOT NULL", WORD, HEAD(id), 0, 0, hex_digits},
	{"version", "INTEGER NOT NULL", INTEGER, HEAD(version), 1, INT64_MAX, NULL},
	{"created", "INTEGER NOT NULL", INTEGER, HEAD(created), INT64_MIN, INT64_MAX, NULL},
	{"uid", "INTEGER NOT NULL", INTEGER, HEAD(uid), 0, UINT32_MAX, NULL},
	{"repository", "TEXT", TEXT, HEAD(repository), 0, 0, NULL},
	{"gitdir", "TEXT", TEXT, HEAD(gitdir), 0, 0, NULL},
	{"ref", "TEXT", TEXT, HEAD(ref), 0, 0, NULL},
	{"tip", "TEXT", WORD, HEAD(tip), 0, 0, hex_digits},
	{"message", "TEXT", TEXT, HEAD(message), 0, 0, NULL},
	{"author_name", "TEXT", TEXT, HEAD(author.name), 0, 0, NULL},
	{"author_email", "TEXT", TEXT, HEAD(author.email), 0, 0, NULL},
	{"author_time", "INTEGER", INTEGER, HEAD(author.time), INT64_MIN, INT64_MAX, NULL},
	{"author_offset", "INTEGER", INTEGER, HEAD(author.offset), -24 * 60, 24 * 60, NULL},
	{"committer_name", "TEXT", TEXT, HEAD(committer.name), 0, 0, NULL},
	{"committer_email", "TEXT", TEXT, HEAD(committer.email), 0, 0, NULL},
	{"committer_time", "INTEGER", INTEGER, HEAD(committer.time), INT64_MIN, INT64_MAX, NULL},
	{"committer_offset", "INTEGER", INTEGER, HEAD(committer.offset), -24 * 60, 24 * 60, NULL},
};

static const struct column file_columns[] = {
	{"intent", "TEXT NOT NULL", WORD, FILE_(intent), 0, 0, hex_digits},
	{"number", "INTEGER NOT NULL", INTEGER, FILE_(number), INT64_MIN, INT64_MAX, NULL},
	{"op", "INTEGER NOT NULL", INTEGER, FILE_(op), HF_RECORD_WRITE, HF_RECORD_SNAPSHOT, NULL},
	{"path", "TEXT NOT NULL", TEXT, FILE_(path), 0, 0, NULL},
	{"mode", "INTEGER NOT NULL", INTEGER, FILE_(mode), 0, 07777, NULL},
	{"content", "BLOB", CONTENT, FILE_(content), 0, 0, NULL},
	{"old", "TEXT", WORD, FILE_(old_sha256), 0, 0, hex_digits},
	{"old_size", "INTEGER NOT NULL", INTEGER, FILE_(old_size), 0, INT64_MAX, NULL},
	{"new", "TEXT", WORD, FILE_(new_sha256), 0, 0, hex_digits},
	/* since version 2 */
	{"mark", "TEXT", WORD, FILE_(mark), 0, 0, mark_characters},
	{"seen", "TEXT", WORD, FILE_(seen), 0, 0, identity_characters},
	{"place", "TEXT", WORD, FILE_(place), 0, 0, identity_characters},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct hf_intent_table hf_intent_heads = {"holdfast_intent", "", head_columns,
						COUNT(head_columns)};
const struct hf_intent_table hf_intent_files = {"holdfast_intent_file",
						", PRIMARY KEY (intent, number)", file_columns,
						COUNT(file_columns)};

/* ---- to rows -------------------------------------------------------------------------------- */

/* Write the columns' names, separated by commas; with their types, or in their place a "?". */
static const char *list_columns(const struct hf_intent_table *table, bool types, bool marks,
				char list[SQL_SIZE])
{
	char *end = list;

	for (size_t i = 0; i < table->count; i++) {
		const struct column *c = &table->columns[i];

		end += snprintf(end, (size_t)(list + SQL_SIZE - end), "%s%s %s", i ? ", " : "",
				marks ? "?" : c->name, types ? c->type : "");
	}
	return list;
}

/* The SQL of a record may have made temporary tables of these names: "main" is not those. */
static enum hf_status create_table(struct hf_db *db, const struct hf_intent_table *table,
				   struct hf_err *err)
{
	char sql[2 * SQL_SIZE], list[SQL_SIZE];

	snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS main.%s (%s%s)", table->name,
		 list_columns(table, true, false, list), table->key);
	return hf_db_exec(db, sql, NULL, 0, NULL, err);
}

enum hf_status hf_intent_prepare(struct hf_db *db, struct hf_err *err)
{
	enum hf_status status = create_table(db, &hf_intent_heads, err);
	char sql[SQL_SIZE];
	int64_t n;

	if (status == HF_OK)
		status = create_table(db, &hf_intent_files, err);
	if (status == HF_OK)
		status = hf_db_int(db,
				   "SELECT 1 FROM pragma_table_info('holdfast_intent_file', "
				   "'main') WHERE name = 'mark'",
				   NULL, 0, &n, err);
	if (status != HF_NO)
		return status;
	status = HF_OK; /* version 1 made the table */
	for (size_t i = hf_intent_files.count - VERSION_2_COLUMNS;
	     i < hf_intent_files.count && status == HF_OK; i++) {
		snprintf(sql, sizeof(sql), "ALTER TABLE main.%s ADD COLUMN %s %s",
			 hf_intent_files.name, hf_intent_files.columns[i].name,
			 hf_intent_files.columns[i].type);
		status = hf_db_exec(db, sql, NULL, 0, NULL, err);
	}
	return status;
}

/* NULL is NULL. */
static struct hf_db_value text_value(const char *s)
{
	return s ? HF_DB_TEXT_VALUE(s, strlen(s)) : (struct hf_db_value){.type = HF_DB_NULL};
}

bool hf_intent_has_content(const struct hf_intent_file *f)
{
	return f->op == HF_RECORD_WRITE || f->op == HF_RECORD_APPEND;
}

static struct hf_db_value content_value(const struct hf_intent_file *f)
{
	return hf_intent_has_content(f) ? HF_DB_BLOB_VALUE(f->content, f->size) : text_value(NULL);
}

static struct hf_db_value column_value(const struct column *c, const void *row)
{
	const void *member = (const char *)row + c->offset;

	switch (c->form) {
	case INTEGER:
		return HF_DB_INT_VALUE(c->size == sizeof(int) ? *(const int *)member
							      : *(const int64_t *)member);
	case TEXT:
		return text_value(*(char *const *)member);
	case WORD:
		return text_value(*(const char *)member ? member : NULL);
	case CONTENT:
		break;
	}
	return content_value(row);
}

/* Insert the row, in place of one with the same key. */
enum hf_status hf_intent_row_put(struct hf_db *db, const struct hf_intent_table *table,
				 const void *row, struct hf_err *err)
{
	struct hf_db_value values[MAX_COLUMNS];
	char sql[3 * SQL_SIZE], names[SQL_SIZE], marks[SQL_SIZE];

	for (size_t i = 0; i < table->count; i++)
		values[i] = column_value(&table->columns[i], row);
	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO main.%s (%s) VALUES (%s)", table->name,
		 list_columns(table, false, false, names), list_columns(table, false, true, marks));
	return hf_db_exec(db, sql, values, (int)table->count, NULL, err);
}

void hf_intent_row_select(char sql[HF_INTENT_SQL], const struct hf_intent_table *table, int columns,
			  const char *rest)
{
	struct hf_intent_table part = *table;
	char list[SQL_SIZE];

	part.count = (size_t)columns;
	snprintf(sql, HF_INTENT_SQL, "SELECT %s FROM main.%s %s",
		 list_columns(&part, false, false, list), table->name, rest);
}

/* ---- from rows ------------------------------------------------------------------------------ */

/* Read a value into the member of a row, which is all zero. Return false if it does not have the
 * column's form. */
static bool read_value(const struct column *c, struct hf_db_value v, void *row)
{
	void *member = (char *)row + c->offset;

	if (c->form == CONTENT)
		return true; /* intent.c */
	if (c->form == INTEGER) {
		if (c->size == sizeof(int))
			*(int *)member = (int)v.i;
		else
			*(int64_t *)member = v.i;
		return v.type == HF_DB_INT && v.i >= c->min && v.i <= c->max;
	}
	if (v.type == HF_DB_NULL)
		return true;
	if (v.type != HF_DB_TEXT || memchr(v.data, '\0', v.size))
		return false;
	if (c->form == TEXT)
		return (*(char **)member = strndup(v.data, v.size)) != NULL;
	if (v.size >= c->size)
		return false;
	memcpy(member, v.data, v.size);
	if (strspn(member, c->characters) == v.size)
		return true;
	*(char *)member = '\0';
	return false;
}

bool hf_intent_row_read(const struct hf_intent_table *table, struct hf_sqlite_stmt *stmt, int from,
			int to, void *row)
{
	for (int i = from; i < to; i++)
		if (!read_value(&table->columns[i], hf_sqlite_stmt_column(stmt, i), row))
			return false;
	return true;
}

void hf_intent_row_free(const struct hf_intent_table *table, void *row)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->columns[i].form == TEXT)
			free(*(char **)(void *)((char *)row + table->columns[i].offset));
}
