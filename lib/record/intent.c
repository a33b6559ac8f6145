/* SPDX-License-Identifier: ISC */
#include "record/intent.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/sys.h"

/* The SQL of a record may have made temporary tables of these names, which would come first. */
static const char *const tables[] = {
	"CREATE TABLE IF NOT EXISTS main.holdfast_intent ("
	"id TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, created INTEGER NOT NULL, "
	"uid INTEGER NOT NULL, repository TEXT, gitdir TEXT, ref TEXT, tip TEXT, message TEXT, "
	"author_name TEXT, author_email TEXT, author_time INTEGER, author_offset INTEGER, "
	"committer_name TEXT, committer_email TEXT, committer_time INTEGER, "
	"committer_offset INTEGER)",
	"CREATE TABLE IF NOT EXISTS main.holdfast_intent_file ("
	"intent TEXT NOT NULL, number INTEGER NOT NULL, op INTEGER NOT NULL, path TEXT NOT NULL, "
	"mode INTEGER NOT NULL, content BLOB, old TEXT, old_size INTEGER NOT NULL, new TEXT, "
	"mark TEXT, seen TEXT, place TEXT, PRIMARY KEY (intent, number))",
};

#define HEAD_COLUMNS                                                                               \
	"id, version, created, uid, repository, gitdir, ref, tip, message, "                       \
	"author_name, author_email, author_time, author_offset, "                                  \
	"committer_name, committer_email, committer_time, committer_offset"
#define FILE_COLUMNS "op, path, mode, content, old, old_size, new"
#define MARK_COLUMNS "mark, seen, place"

enum { HEAD_COUNT = 17 };

void hf_intent_name(char id[HF_RECORD_ID])
{
	uint32_t words[4];

	arc4random_buf(words, sizeof(words));
	snprintf(id, HF_RECORD_ID, "%08x%08x%08x%08x", words[0], words[1], words[2], words[3]);
}

/* HF_NO: version 1 made the tables. */
static enum hf_status has_marks(struct hf_db *db, struct hf_err *err)
{
	int64_t n;

	return hf_db_int(db,
			 "SELECT 1 FROM pragma_table_info('holdfast_intent_file', 'main') "
			 "WHERE name = 'mark'",
			 NULL, 0, &n, err);
}

enum hf_status hf_intent_prepare(struct hf_db *db, struct hf_err *err)
{
	static const char *const columns[] = {"mark TEXT", "seen TEXT", "place TEXT"};
	enum hf_status status = HF_OK;
	char sql[100];

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && status == HF_OK; i++)
		status = hf_db_exec(db, tables[i], NULL, 0, NULL, err);
	if (status == HF_OK)
		status = has_marks(db, err);
	if (status != HF_NO)
		return status;
	status = HF_OK;
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]) && status == HF_OK; i++) {
		snprintf(sql, sizeof(sql), "ALTER TABLE main.holdfast_intent_file ADD COLUMN %s",
			 columns[i]);
		status = hf_db_exec(db, sql, NULL, 0, NULL, err);
	}
	return status;
}

/* ---- to rows -------------------------------------------------------------------------------- */

static struct hf_db_value text_value(const char *s)
{
	return s ? HF_DB_TEXT_VALUE(s, strlen(s)) : (struct hf_db_value){.type = HF_DB_NULL};
}

/* A hash or another text; "" is NULL. */
static struct hf_db_value hash_value(const char *s)
{
	return text_value(*s ? s : NULL);
}

static enum hf_status insert_file(struct hf_db *db, const char *id, size_t number,
				  const struct hf_intent_file *f, struct hf_err *err)
{
	const bool has_content = f->op == HF_RECORD_WRITE || f->op == HF_RECORD_APPEND;
	const struct hf_db_value values[] = {
		text_value(id),
		HF_DB_INT_VALUE((int64_t)number),
		HF_DB_INT_VALUE(f->op),
		text_value(f->path),
		HF_DB_INT_VALUE(f->mode),
		has_content ? HF_DB_BLOB_VALUE(f->content, f->size)
			    : (struct hf_db_value){.type = HF_DB_NULL},
		hash_value(f->old),
		HF_DB_INT_VALUE(f->old_size),
		hash_value(f->fresh),
		hash_value(f->mark),
		hash_value(f->seen),
		hash_value(f->place),
	};

	return hf_db_exec(db,
			  "INSERT INTO main.holdfast_intent_file (intent, number, " FILE_COLUMNS
			  ", " MARK_COLUMNS
			  ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
			  values, sizeof(values) / sizeof(values[0]), NULL, err);
}

enum hf_status hf_intent_insert(struct hf_db *db, const struct hf_intent *intent,
				struct hf_err *err)
{
	const struct hf_commit_ident *a = &intent->author, *c = &intent->committer;
	const struct hf_db_value values[HEAD_COUNT] = {
		text_value(intent->id),
		HF_DB_INT_VALUE(HF_INTENT_VERSION),
		HF_DB_INT_VALUE(intent->created),
		HF_DB_INT_VALUE(intent->uid),
		text_value(intent->repository),
		text_value(intent->gitdir),
		text_value(intent->ref),
		text_value(intent->repository ? intent->tip : NULL),
		text_value(intent->message),
		text_value(a->name),
		text_value(a->email),
		HF_DB_INT_VALUE(a->time),
		HF_DB_INT_VALUE(a->offset),
		text_value(c->name),
		text_value(c->email),
		HF_DB_INT_VALUE(c->time),
		HF_DB_INT_VALUE(c->offset),
	};
	enum hf_status status = hf_db_exec(db,
					   "INSERT INTO main.holdfast_intent (" HEAD_COLUMNS
					   ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
					   "?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
					   values, HEAD_COUNT, NULL, err);

	for (size_t i = 0; i < intent->file_count && status == HF_OK; i++)
		status = insert_file(db, intent->id, i, &intent->files[i], err);
	return status;
}

/* ---- from rows ------------------------------------------------------------------------------ */

static const char hex_digits[] = "0123456789abcdef";

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

/* Copy a text column; NULL stays NULL. Return false if it has another type, or a NUL byte. */
static bool get_text(struct hf_sqlite_stmt *stmt, int column, char **out)
{
	struct hf_db_value v = hf_sqlite_stmt_column(stmt, column);

	*out = NULL;
	if (v.type == HF_DB_NULL)
		return true;
	if (v.type != HF_DB_TEXT || memchr(v.data, '\0', v.size))
		return false;
	*out = strndup(v.data, v.size);
	return *out != NULL;
}

/* Read a column of at most `size` - 1 hexadecimal digits, or NULL. */
static bool get_hex(struct hf_sqlite_stmt *stmt, int column, char *out, size_t size)
{
	struct hf_db_value v = hf_sqlite_stmt_column(stmt, column);
	const char *text = v.data;

	*out = '\0';
	if (v.type == HF_DB_NULL)
		return true;
	if (v.type != HF_DB_TEXT || v.size >= size)
		return false;
	for (size_t i = 0; i < v.size; i++)
		if (!text[i] || !strchr(hex_digits, text[i]))
			return false;
	memcpy(out, text, v.size);
	out[v.size] = '\0';
	return true;
}

/* Read a text of at most `size` - 1 of these characters, or NULL. */
static bool get_restricted_text(struct hf_sqlite_stmt *stmt, int column, const char *characters,
				char *out, size_t size)
{
	char *text;
	bool is = get_text(stmt, column, &text);

	*out = '\0';
	if (!is || !text)
		return is;
	is = strlen(text) < size && strspn(text, characters) == strlen(text);
	if (is)
		strcpy(out, text);
	free(text);
	return is;
}

/* Read the mark, seen and place. A mark is a part of a file name. */
static bool get_mark(struct hf_sqlite_stmt *stmt, int column, struct hf_intent_file *f)
{
	return get_restricted_text(stmt, column, "0123456789abcdef-.record", f->mark,
				   sizeof(f->mark)) &&
	       get_restricted_text(stmt, column + 1, "0123456789abcdef ", f->seen,
				   sizeof(f->seen)) &&
	       get_restricted_text(stmt, column + 2, "0123456789abcdef ", f->place,
				   sizeof(f->place));
}

static bool get_int(struct hf_sqlite_stmt *stmt, int column, int64_t least, int64_t most,
		    int64_t *out)
{
	struct hf_db_value v = hf_sqlite_stmt_column(stmt, column);

	*out = v.i;
	return v.type == HF_DB_INT && v.i >= least && v.i <= most;
}

static bool get_ident(struct hf_sqlite_stmt *stmt, int column, struct hf_commit_ident *who)
{
	int64_t offset;

	if (!get_text(stmt, column, &who->name) || !get_text(stmt, column + 1, &who->email) ||
	    !get_int(stmt, column + 2, INT64_MIN, INT64_MAX, &who->time) ||
	    !get_int(stmt, column + 3, -24 * 60, 24 * 60, &offset))
		return false;
	who->offset = (int)offset;
	return true;
}

static bool get_head(struct hf_sqlite_stmt *stmt, struct hf_intent *intent)
{
	intent->loaded = true;
	if (!get_hex(stmt, 0, intent->id, sizeof(intent->id)) ||
	    strlen(intent->id) != HF_RECORD_ID - 1 ||
	    !get_int(stmt, 1, 1, INT64_MAX, &intent->version))
		return false;
	if (intent->version > HF_INTENT_VERSION) /* record/T1 */
		return true;
	if (!get_int(stmt, 2, INT64_MIN, INT64_MAX, &intent->created) ||
	    !get_int(stmt, 3, 0, UINT32_MAX, &intent->uid) ||
	    !get_text(stmt, 4, &intent->repository) || !get_text(stmt, 5, &intent->gitdir) ||
	    !get_text(stmt, 6, &intent->ref) ||
	    !get_hex(stmt, 7, intent->tip, sizeof(intent->tip)) ||
	    !get_text(stmt, 8, &intent->message) || !get_ident(stmt, 9, &intent->author) ||
	    !get_ident(stmt, 13, &intent->committer))
		return false;
	return !intent->repository ||
	       (intent->gitdir && intent->ref && intent->message && intent->author.name &&
		intent->author.email && intent->committer.name && intent->committer.email);
}

static bool get_file(struct hf_sqlite_stmt *stmt, bool heads, struct hf_intent_file *f)
{
	struct hf_db_value content = hf_sqlite_stmt_column(stmt, 3);
	int64_t op, mode;
	void *copy;

	if (!get_int(stmt, 0, HF_RECORD_WRITE, HF_RECORD_SNAPSHOT, &op) ||
	    !get_text(stmt, 1, &f->path) || !f->path || !get_int(stmt, 2, 0, 07777, &mode) ||
	    !get_hex(stmt, 4, f->old, sizeof(f->old)) ||
	    !get_int(stmt, 5, 0, INT64_MAX, &f->old_size) ||
	    !get_hex(stmt, 6, f->fresh, sizeof(f->fresh)) || !get_mark(stmt, 7, f))
		return false;
	f->op = (enum hf_record_op)op;
	f->mode = (unsigned int)mode & (HF_WITHOUT(setuid) ? 07777 : 0777);
	if (f->op == HF_RECORD_REMOVE || f->op == HF_RECORD_SNAPSHOT)
		return content.type == HF_DB_NULL;
	if (content.type != HF_DB_BLOB || !*f->fresh)
		return false;
	f->size = content.size;
	if (heads)
		return true;
	copy = malloc(content.size + 1);
	if (copy && content.size)
		memcpy(copy, content.data, content.size);
	f->content = copy;
	return copy != NULL;
}

static enum hf_status load_files(struct hf_db *db, bool heads, struct hf_intent *intent,
				 struct hf_err *err)
{
#define FROM " FROM main.holdfast_intent_file WHERE intent = ?1 ORDER BY number"
	static const char with[] = "SELECT " FILE_COLUMNS ", " MARK_COLUMNS FROM;
	static const char without[] = "SELECT " FILE_COLUMNS ", NULL, NULL, NULL" FROM;
#undef FROM
	struct hf_db_value id = text_value(intent->id);
	struct hf_sqlite_stmt *stmt = NULL;
	enum hf_status status = has_marks(db, err);
	const char *sql = status == HF_NO ? without : with;

	if (status == HF_OK || status == HF_NO)
		status = hf_sqlite_prepare(hf_db_sql(db), sql, strlen(sql), &stmt, NULL, err);
	if (status == HF_OK)
		status = hf_sqlite_stmt_bind(stmt, 1, &id, err);
	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_intent_file *f =
			hf_array_add(&intent->files, &intent->file_count, sizeof(*intent->files));

		if (!f || !get_file(stmt, heads, f))
			status = fail_not_understood(db, intent->id, err);
	}
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status load_heads(struct hf_db *db, struct hf_intent **intents, size_t *count,
				 struct hf_err *err)
{
	static const char sql[] =
		"SELECT " HEAD_COLUMNS " FROM main.holdfast_intent ORDER BY created, rowid";
	struct hf_sqlite_stmt *stmt;
	enum hf_status status =
		hf_sqlite_prepare(hf_db_sql(db), sql, sizeof(sql) - 1, &stmt, NULL, err);

	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_intent *intent = hf_array_add(intents, count, sizeof(**intents));

		if (!intent || !get_head(stmt, intent))
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

enum hf_status hf_intents_load(struct hf_db *db, bool heads, struct hf_intent **intents,
			       size_t *count, struct hf_err *err)
{
	enum hf_status status = has_tables(db, err);

	*intents = NULL;
	*count = 0;
	if (status == HF_NO)
		return HF_OK;
	if (status == HF_OK)
		status = load_heads(db, intents, count, err);
	for (size_t i = 0; i < *count && status == HF_OK; i++)
		if ((*intents)[i].version <= HF_INTENT_VERSION)
			status = load_files(db, heads, &(*intents)[i], err);
	if (status != HF_OK) {
		hf_intents_free(*intents, *count);
		*intents = NULL;
		*count = 0;
	}
	return status;
}

static void free_ident(struct hf_commit_ident *who)
{
	free(who->name);
	free(who->email);
}

void hf_intents_free(struct hf_intent *intents, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct hf_intent *intent = &intents[i];

		for (size_t k = 0; k < intent->file_count; k++) {
			free(intent->files[k].path);
			free((void *)(uintptr_t)intent->files[k].content);
		}
		free(intent->files);
		free(intent->repository);
		free(intent->gitdir);
		free(intent->ref);
		free(intent->message);
		free_ident(&intent->author);
		free_ident(&intent->committer);
	}
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

enum hf_status hf_intent_has_mark(struct hf_db *db, const char *mark, struct hf_err *err)
{
	struct hf_db_value value = text_value(mark);
	int64_t n;

	return hf_db_int(db, "SELECT 1 FROM main.holdfast_intent_file WHERE mark = ?1 LIMIT 1",
			 &value, 1, &n, err);
}

enum hf_status hf_intent_correct(struct hf_db *db, const struct hf_intent *intent, size_t number,
				 struct hf_err *err)
{
	const struct hf_intent_file *f = &intent->files[number];
	const struct hf_db_value values[] = {
		text_value(intent->id), HF_DB_INT_VALUE((int64_t)number),
		hash_value(f->old),	HF_DB_INT_VALUE(f->old_size),
		hash_value(f->fresh),	hash_value(f->seen),
		hash_value(f->place),
	};

	return hf_db_exec(db,
			  "UPDATE main.holdfast_intent_file SET old = ?3, old_size = ?4, new = ?5, "
			  "seen = ?6, place = ?7 WHERE intent = ?1 AND number = ?2",
			  values, sizeof(values) / sizeof(values[0]), NULL, err);
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
