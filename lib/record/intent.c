/* SPDX-License-Identifier: ISC */
#include "record/intent.h"

#include <bsd/stdlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "record/intent_row.h"
#include "base/sys.h"

/* The first columns: of a head until its version; of a file until its content. */
enum { VERSION_COLUMNS = 2, LISTED_COLUMNS = 5 };

static const char hex_digits[] = "0123456789abcdef";

void hf_intent_name(char id[HF_RECORD_ID])
{
	uint32_t words[4];

	arc4random_buf(words, sizeof(words));
	snprintf(id, HF_RECORD_ID, "%08x%08x%08x%08x", words[0], words[1], words[2], words[3]);
}

/* ---- to rows -------------------------------------------------------------------------------- */

/* NULL is NULL. */
static struct hf_db_value text_value(const char *s)
{
	return s ? HF_DB_TEXT_VALUE(s, strlen(s)) : (struct hf_db_value){.type = HF_DB_NULL};
}

enum hf_status hf_intent_put_file(struct hf_db *db, const struct hf_intent *intent, size_t number,
				  struct hf_err *err)
{
	struct hf_intent_file row = intent->files[number];

	memcpy(row.intent, intent->id, sizeof(row.intent));
	row.number = (int64_t)number;
	return hf_intent_row_put(db, &hf_intent_files, &row, err);
}

enum hf_status hf_intent_insert(struct hf_db *db, const struct hf_intent *intent,
				struct hf_err *err)
{
	struct hf_intent row = *intent;
	enum hf_status status;

	row.version = HF_INTENT_VERSION;
	status = hf_intent_row_put(db, &hf_intent_heads, &row, err);
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

static bool read_head(struct hf_sqlite_stmt *stmt, struct hf_intent *intent)
{
	intent->loaded = true;
	if (!hf_intent_row_read(&hf_intent_heads, stmt, 0, VERSION_COLUMNS, intent) ||
	    strlen(intent->id) != HF_RECORD_ID - 1)
		return false;
	if (intent->version > HF_INTENT_VERSION) /* record/T1 */
		return true;
	return hf_intent_row_read(&hf_intent_heads, stmt, VERSION_COLUMNS, HF_INTENT_HEAD_COLUMNS,
				  intent) &&
	       (!intent->repository ||
		(intent->gitdir && intent->ref && intent->message && intent->author.name &&
		 intent->author.email && intent->committer.name && intent->committer.email));
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

static bool read_file(struct hf_sqlite_stmt *stmt, int columns, struct hf_intent_file *f)
{
	if (!hf_intent_row_read(&hf_intent_files, stmt, 0, columns, f) || !f->path)
		return false;
	f->mode &= HF_WITHOUT(setuid) ? 07777 : 0777;
	return columns == LISTED_COLUMNS ||
	       read_content(hf_sqlite_stmt_column(stmt, LISTED_COLUMNS), f);
}

static enum hf_status load_files(struct hf_db *db, bool heads_only, struct hf_intent *intent,
				 struct hf_err *err)
{
	struct hf_db_value id = text_value(intent->id);
	int columns = heads_only ? LISTED_COLUMNS : HF_INTENT_FILE_COLUMNS;
	struct hf_sqlite_stmt *stmt;
	char sql[HF_INTENT_SQL];
	enum hf_status status;

	hf_intent_row_select(sql, &hf_intent_files, columns, "WHERE intent = ?1 ORDER BY number");
	status = hf_db_query(db, sql, &id, 1, &stmt, err);
	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_intent_file *f =
			hf_array_add(&intent->files, &intent->file_count, sizeof(*intent->files));

		if (!f || !read_file(stmt, columns, f))
			status = fail_not_understood(db, intent->id, err);
	}
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status load_heads(struct hf_db *db, struct hf_intent **intents, size_t *count,
				 struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	char sql[HF_INTENT_SQL];
	enum hf_status status;

	hf_intent_row_select(sql, &hf_intent_heads, HF_INTENT_HEAD_COLUMNS,
			     "ORDER BY created, rowid");
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

void hf_intent_free(struct hf_intent *intent)
{
	for (size_t i = 0; i < intent->file_count; i++) {
		hf_intent_row_free(&hf_intent_files, &intent->files[i]);
		if (intent->loaded)
			free((void *)(uintptr_t)intent->files[i].content);
	}
	free(intent->files);
	hf_intent_row_free(&hf_intent_heads, intent);
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
			hf_advise(err, "check the triggers on the table holdfast_intent");
			return HF_DATA;
		}
		status = status == HF_NO ? HF_OK : status;
	}
	if (status == HF_OK)
		status = hf_db_exec(db, "DELETE FROM main.holdfast_intent_file WHERE intent = ?1",
				    &value, 1, NULL, err);
	return status;
}
