/* SPDX-License-Identifier: ISC */
#include "record/intent.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/sys.h"

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

struct table {
	const char *name, *key;
	const struct column *columns;
	size_t count;
};

enum { MAX_COLUMNS = 17, SQL_SIZE = 1024, LISTED_COLUMNS = 5, VERSION_2_COLUMNS = 3 };

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

static const struct column place_columns[] = {
	{"path", "TEXT PRIMARY KEY NOT NULL", TEXT, 0, sizeof(char *), 0, 0, NULL},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct table heads = {"holdfast_intent", "", head_columns, COUNT(head_columns)};
static const struct table files = {"holdfast_intent_file", ", PRIMARY KEY (intent, number)",
				   file_columns, COUNT(file_columns)};
/* the directories in which marks were made */
static const struct table places = {"holdfast_intent_place", "", place_columns, 1};

void hf_intent_name(char id[HF_RECORD_ID])
{
	uint32_t words[4];

	arc4random_buf(words, sizeof(words));
	snprintf(id, HF_RECORD_ID, "%08x%08x%08x%08x", words[0], words[1], words[2], words[3]);
}

/* ---- to rows -------------------------------------------------------------------------------- */

/* Write the columns' names, separated by commas; with their types, or in their place a "?". */
static const char *list_columns(const struct table *table, bool types, bool marks,
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
static enum hf_status create_table(struct hf_db *db, const struct table *table, struct hf_err *err)
{
	char sql[2 * SQL_SIZE], list[SQL_SIZE];

	snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS main.%s (%s%s)", table->name,
		 list_columns(table, true, false, list), table->key);
	return hf_db_exec(db, sql, NULL, 0, NULL, err);
}

enum hf_status hf_intent_prepare(struct hf_db *db, struct hf_err *err)
{
	enum hf_status status = create_table(db, &heads, err);
	char sql[SQL_SIZE];
	int64_t n;

	if (status == HF_OK)
		status = create_table(db, &files, err);
	if (status == HF_OK)
		status = create_table(db, &places, err);
	if (status == HF_OK)
		status = hf_db_int(db,
				   "SELECT 1 FROM pragma_table_info('holdfast_intent_file', "
				   "'main') WHERE name = 'mark'",
				   NULL, 0, &n, err);
	if (status != HF_NO)
		return status;
	status = HF_OK; /* version 1 made the table */
	for (size_t i = files.count - VERSION_2_COLUMNS; i < files.count && status == HF_OK; i++) {
		snprintf(sql, sizeof(sql), "ALTER TABLE main.%s ADD COLUMN %s %s", files.name,
			 files.columns[i].name, files.columns[i].type);
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
static enum hf_status put_row(struct hf_db *db, const struct table *table, const void *row,
			      struct hf_err *err)
{
	struct hf_db_value values[MAX_COLUMNS];
	char sql[3 * SQL_SIZE], names[SQL_SIZE], marks[SQL_SIZE];

	for (size_t i = 0; i < table->count; i++)
		values[i] = column_value(&table->columns[i], row);
	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO main.%s (%s) VALUES (%s)", table->name,
		 list_columns(table, false, false, names), list_columns(table, false, true, marks));
	return hf_db_exec(db, sql, values, (int)table->count, NULL, err);
}

enum hf_status hf_intent_put_file(struct hf_db *db, const struct hf_intent *intent, size_t number,
				  struct hf_err *err)
{
	struct hf_intent_file row = intent->files[number];

	memcpy(row.intent, intent->id, sizeof(row.intent));
	row.number = (int64_t)number;
	return put_row(db, &files, &row, err);
}

enum hf_status hf_intent_insert(struct hf_db *db, const struct hf_intent *intent,
				struct hf_err *err)
{
	struct hf_intent row = *intent;
	enum hf_status status;

	row.version = HF_INTENT_VERSION;
	status = put_row(db, &heads, &row, err);
	for (size_t i = 0; i < intent->file_count && status == HF_OK; i++)
		status = hf_intent_put_file(db, intent, i, err);
	return status;
}

/* ---- from rows ------------------------------------------------------------------------------ */

static enum hf_status fail_not_understood(struct hf_db *db, const char *id, struct hf_err *err)
{
	hf_fail(err, HF_DATA, "cannot understand the unfinished record '%.32s' of '%s'", id,
		hf_db_path(db));
	hf_advise(err, "it was not made by atomic-record, or was changed since");
	hf_advise(err, "see the tables holdfast_intent and holdfast_intent_file");
	/* what others wrote is no part of a command that the user types */
	if (strlen(id) == HF_RECORD_ID - 1 && strspn(id, hex_digits) == HF_RECORD_ID - 1)
		hf_advise(err,
			  "to drop it: sqlite3 '%s' \"DELETE FROM holdfast_intent WHERE id = "
			  "'%s'\"",
			  hf_db_path(db), id);
	return HF_DATA;
}

/* Read a value into the member of a row, which is all zero. Return false if it does not have the
 * column's form. */
static bool read_value(const struct column *c, struct hf_db_value v, void *row)
{
	void *member = (char *)row + c->offset;

	if (c->form == CONTENT)
		return true; /* read_content() */
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

static bool read_head(struct hf_sqlite_stmt *stmt, struct hf_intent *intent)
{
	intent->loaded = true;
	for (size_t i = 0; i < heads.count; i++) {
		if (!read_value(&heads.columns[i], hf_sqlite_stmt_column(stmt, (int)i), intent))
			return false;
		if (intent->version > HF_INTENT_VERSION) /* record/T1 */
			break;
	}
	if (strlen(intent->id) != HF_RECORD_ID - 1)
		return false;
	return intent->version > HF_INTENT_VERSION || !intent->repository ||
	       (intent->gitdir && intent->ref && intent->message && intent->author.name &&
		intent->author.email && intent->committer.name && intent->committer.email);
}

static bool read_content(struct hf_db_value v, struct hf_intent_file *f)
{
	void *copy;

	if (!hf_intent_has_content(f))
		return v.type == HF_DB_NULL;
	if (v.type != HF_DB_BLOB || !*f->new_sha256)
		return false;
	f->size = v.size;
	copy = malloc(v.size + 1);
	if (copy && v.size)
		memcpy(copy, v.data, v.size);
	f->content = copy;
	return copy != NULL;
}

static bool read_file(struct hf_sqlite_stmt *stmt, struct hf_intent_file *f)
{
	int columns = hf_sqlite_stmt_columns(stmt);

	for (int i = 0; i < columns; i++)
		if (!read_value(&files.columns[i], hf_sqlite_stmt_column(stmt, i), f))
			return false;
	f->mode &= HF_WITHOUT(setuid) ? 07777 : 0777;
	return f->path && (columns == LISTED_COLUMNS ||
			   read_content(hf_sqlite_stmt_column(stmt, LISTED_COLUMNS), f));
}

static enum hf_status load_files(struct hf_db *db, bool heads_only, struct hf_intent *intent,
				 struct hf_err *err)
{
	struct hf_db_value id = text_value(intent->id);
	struct table table = files;
	struct hf_sqlite_stmt *stmt;
	char sql[2 * SQL_SIZE], list[SQL_SIZE];
	enum hf_status status;

	if (heads_only)
		table.count = LISTED_COLUMNS;
	snprintf(sql, sizeof(sql), "SELECT %s FROM main.%s WHERE intent = ?1 ORDER BY number",
		 list_columns(&table, false, false, list), table.name);
	status = hf_db_query(db, sql, &id, 1, &stmt, err);
	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_intent_file *f =
			hf_array_add(&intent->files, &intent->file_count, sizeof(*intent->files));

		if (!f || !read_file(stmt, f))
			status = fail_not_understood(db, intent->id, err);
	}
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status load_heads(struct hf_db *db, struct hf_intent **intents, size_t *count,
				 struct hf_err *err)
{
	char sql[2 * SQL_SIZE], list[SQL_SIZE];
	struct hf_sqlite_stmt *stmt;
	enum hf_status status;

	snprintf(sql, sizeof(sql), "SELECT %s FROM main.%s ORDER BY created, rowid",
		 list_columns(&heads, false, false, list), heads.name);
	status = hf_db_query(db, sql, NULL, 0, &stmt, err);
	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_intent *intent = hf_array_add(intents, count, sizeof(**intents));

		if (!intent || !read_head(stmt, intent))
			status = fail_not_understood(db, intent ? intent->id : "", err);
	}
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

/* HF_NO: no record was ever made here. */
static enum hf_status has_tables(struct hf_db *db, struct hf_err *err)
{
	int64_t n;

	return hf_db_int(db,
			 "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND "
			 "name = 'holdfast_intent'",
			 NULL, 0, &n, err);
}

enum hf_status hf_intents_load(struct hf_db *db, bool heads_only, struct hf_intent **intents,
			       size_t *count, struct hf_err *err)
{
	enum hf_status status = has_tables(db, err);

	*intents = NULL;
	*count = 0;
	if (status == HF_NO)
		return HF_OK;
	if (status == HF_OK && !heads_only)
		status = hf_intent_prepare(db, err);
	if (status == HF_OK)
		status = load_heads(db, intents, count, err);
	for (size_t i = 0; i < *count && status == HF_OK; i++)
		if ((*intents)[i].version <= HF_INTENT_VERSION)
			status = load_files(db, heads_only, &(*intents)[i], err);
	if (status != HF_OK) {
		hf_intents_free(*intents, *count);
		*intents = NULL;
		*count = 0;
	}
	return status;
}

static void free_texts(const struct table *table, void *row)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->columns[i].form == TEXT)
			free(*(void **)((char *)row + table->columns[i].offset));
}

void hf_intent_free(struct hf_intent *intent)
{
	for (size_t i = 0; i < intent->file_count; i++) {
		free_texts(&files, &intent->files[i]);
		if (intent->loaded)
			free((void *)(uintptr_t)intent->files[i].content);
	}
	free(intent->files);
	free_texts(&heads, intent);
}

void hf_intents_free(struct hf_intent *intents, size_t count)
{
	for (size_t i = 0; i < count; i++)
		hf_intent_free(&intents[i]);
	free(intents);
}

/* ---- one ------------------------------------------------------------------------------------ */

enum hf_status hf_intent_find(struct hf_db *db, const char *id, struct hf_err *err)
{
	struct hf_db_value value = text_value(id);
	int64_t n;

	return hf_db_int(db, "SELECT 1 FROM main.holdfast_intent WHERE id = ?1", &value, 1, &n,
			 err);
}

enum hf_status hf_intent_add_place(struct hf_db *db, const char *directory, struct hf_err *err)
{
	struct hf_db_value value = text_value(directory);
	enum hf_status status = hf_intent_prepare(db, err);
	int64_t n;

	if (status == HF_OK)
		status = hf_db_int(db, "SELECT 1 FROM main.holdfast_intent_place WHERE path = ?1",
				   &value, 1, &n, err);
	if (status == HF_OK)
		return HF_NO;
	return status == HF_NO ? put_row(db, &places, &directory, err) : status;
}

enum hf_status hf_intent_list_places(struct hf_db *db, struct hf_sqlite_stmt **stmt,
				     struct hf_err *err)
{
	enum hf_status status = hf_intent_prepare(db, err);

	*stmt = NULL;
	return status == HF_OK ? hf_db_query(db, "SELECT path FROM main.holdfast_intent_place",
					     NULL, 0, stmt, err)
			       : status;
}

enum hf_status hf_intent_has_mark(struct hf_db *db, const char *mark, struct hf_err *err)
{
	struct hf_db_value value = text_value(mark);
	int64_t n;

	return hf_db_int(db, "SELECT 1 FROM main.holdfast_intent_file WHERE mark = ?1 LIMIT 1",
			 &value, 1, &n, err);
}

enum hf_status hf_intent_delete(struct hf_db *db, const char *id, struct hf_err *err)
{
	struct hf_db_value value = text_value(id);
	enum hf_status status = hf_db_exec(db, "DELETE FROM main.holdfast_intent WHERE id = ?1",
					   &value, 1, NULL, err);

	/* a trigger may keep the row, and it would be finished again and again */
	if (status == HF_OK && !HF_WITHOUT(kept_intent)) {
		status = hf_intent_find(db, id, err);
		if (status == HF_OK) {
			hf_fail(err, HF_DATA, "cannot delete record %.8s from '%s': it stays", id,
				hf_db_path(db));
			hf_advise(err, "is there a trigger on the table holdfast_intent?");
			return HF_DATA;
		}
		status = status == HF_NO ? HF_OK : status;
	}
	if (status == HF_OK)
		status = hf_db_exec(db, "DELETE FROM main.holdfast_intent_file WHERE intent = ?1",
				    &value, 1, NULL, err);
	return status;
}
