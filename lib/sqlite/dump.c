/* SPDX-License-Identifier: ISC */
#include "sqlite/dump.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sqlite/row_format.h"

struct dump {
	struct hf_db *db;
	struct hf_deferred *out;
	bool writable; /* writable_schema is ON at this point of the output */
};

/*
 * Words of SQL.
 */

/* Put data between quotes, with every quote doubled. */
static void put_quoted(struct hf_deferred *out, const char *data, size_t size, char quote)
{
	const char *end = data + size;

	hf_deferred_write(out, &quote, 1);
	while (data < end) {
		const char *next = memchr(data, quote, (size_t)(end - data));
		const char *stop = next ? next + 1 : end;

		hf_deferred_write(out, data, (size_t)(stop - data));
		if (next)
			hf_deferred_write(out, &quote, 1);
		data = stop;
	}
	hf_deferred_write(out, &quote, 1);
}

static void put_name(struct hf_deferred *out, const struct hf_db_value *name)
{
	put_quoted(out, name->data, name->size, '"');
}

static void put_blob(struct hf_deferred *out, const struct hf_db_value *value)
{
	static const char digits[] = "0123456789ABCDEF";
	const unsigned char *bytes = value->data;

	hf_deferred_text(out, "X'");
	for (size_t i = 0; i < value->size; i++) {
		char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};

		hf_deferred_write(out, pair, 2);
	}
	hf_deferred_text(out, "'");
}

static void put_value(struct hf_deferred *out, const struct hf_db_value *value)
{
	char real[40];

	switch (value->type) {
	case HF_DB_NULL:
		hf_deferred_text(out, "NULL");
		break;
	case HF_DB_INT:
		hf_deferred_print(out, "%lld", (long long)value->i);
		break;
	case HF_DB_REAL:
		if (isinf(value->r))
			hf_deferred_text(out, value->r < 0 ? "-1e999" : "1e999");
		else
			hf_deferred_text(out, hf_row_format_real(real, value->r));
		break;
	case HF_DB_TEXT:
		if (!value->size || !memchr(value->data, '\0', value->size)) {
			put_quoted(out, value->data ? value->data : "", value->size, '\'');
			break;
		}
		hf_deferred_text(out, "CAST(");
		put_blob(out, value);
		hf_deferred_text(out, " AS TEXT)");
		break;
	case HF_DB_BLOB:
		put_blob(out, value);
		break;
	}
}

/*
 * Rows.
 */

static enum hf_status prepare_dump(struct dump *dump, const char *sql, struct hf_sqlite_stmt **stmt,
				   struct hf_err *err)
{
	return hf_db_prepare(dump->db, sql, strlen(sql), stmt, NULL, err);
}

/* Return the stored columns, quoted and separated by commas; *generated: there are others. */
static enum hf_status stored_columns(struct dump *dump, const struct hf_db_value *table,
				     struct hf_deferred *columns, bool *generated,
				     struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	enum hf_status status =
		prepare_dump(dump, "SELECT name, hidden FROM pragma_table_xinfo(?1)", &stmt, err);
	bool first = true;

	*generated = false;
	if (status == HF_OK)
		status = hf_sqlite_stmt_bind(stmt, 1, table, err);
	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_db_value name = hf_sqlite_stmt_column(stmt, 0);

		if (hf_sqlite_stmt_column(stmt, 1).i) {
			*generated = true;
			continue;
		}
		hf_deferred_text(columns, first ? "" : ",");
		put_name(columns, &name);
		first = false;
	}
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status put_rows(struct dump *dump, struct hf_sqlite_stmt *rows,
			       const struct hf_db_value *table, const struct hf_deferred *columns,
			       struct hf_err *err)
{
	enum hf_status status;

	while ((status = hf_sqlite_stmt_step(rows, err)) == HF_OK) {
		hf_deferred_text(dump->out, "INSERT INTO ");
		put_name(dump->out, table);
		if (columns) {
			hf_deferred_text(dump->out, "(");
			hf_deferred_write(dump->out, columns->memory, columns->used);
			hf_deferred_text(dump->out, ")");
		}
		hf_deferred_text(dump->out, " VALUES(");
		for (int i = 0; i < hf_sqlite_stmt_columns(rows); i++) {
			struct hf_db_value value = hf_sqlite_stmt_column(rows, i);

			hf_deferred_text(dump->out, i ? "," : "");
			put_value(dump->out, &value);
		}
		hf_deferred_text(dump->out, ");\n");
		status = hf_deferred_check(dump->out, err);
		if (status != HF_OK)
			return status;
	}
	return status == HF_NO ? HF_OK : status;
}

/* Read the table itself: an index with all its columns would give another order. */
static enum hf_status dump_rows(struct dump *dump, const struct hf_db_value *table,
				struct hf_err *err)
{
	struct hf_deferred columns = {0}, sql = {0};
	struct hf_sqlite_stmt *rows = NULL;
	bool generated;
	enum hf_status status = stored_columns(dump, table, &columns, &generated, err);

	hf_deferred_text(&sql, "SELECT ");
	hf_deferred_write(&sql, columns.memory, columns.used);
	hf_deferred_text(&sql, " FROM main.");
	put_name(&sql, table);
	hf_deferred_write(&sql, " NOT INDEXED", sizeof(" NOT INDEXED"));
	if (status == HF_OK)
		status = hf_deferred_check(&sql, err);
	if (status == HF_OK)
		status = hf_db_prepare(dump->db, sql.memory, sql.used - 1, &rows, NULL, err);
	if (status == HF_OK)
		status = put_rows(dump, rows, table, generated ? &columns : NULL, err);
	hf_sqlite_stmt_finalize(rows);
	hf_deferred_free(&columns);
	hf_deferred_free(&sql);
	return status;
}

/*
 * The schema.
 */

static bool is_text(const struct hf_db_value *value, const char *text)
{
	return value->size == strlen(text) && memcmp(value->data, text, value->size) == 0;
}

static bool begins_with(const struct hf_db_value *value, const char *text)
{
	return value->size >= strlen(text) && strncasecmp(value->data, text, strlen(text)) == 0;
}

static void put_statement(struct dump *dump, const struct hf_db_value *sql)
{
	hf_deferred_write(dump->out, sql->data, sql->size);
	hf_deferred_text(dump->out, ";\n");
}

/* CREATE would make its shadow tables, which are dumped as they are. */
static void put_virtual(struct dump *dump, const struct hf_db_value *name,
			const struct hf_db_value *sql)
{
	if (!dump->writable)
		hf_deferred_text(dump->out, "PRAGMA writable_schema=ON;\n");
	dump->writable = true;
	hf_deferred_text(dump->out, "INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)"
				    "VALUES('table',");
	put_value(dump->out, name);
	hf_deferred_text(dump->out, ",");
	put_value(dump->out, name);
	hf_deferred_text(dump->out, ",0,");
	put_value(dump->out, sql);
	hf_deferred_text(dump->out, ");\n");
}

static enum hf_status dump_table(struct dump *dump, const struct hf_db_value *name,
				 const struct hf_db_value *sql, struct hf_err *err)
{
	if (begins_with(sql, "CREATE VIRTUAL TABLE")) {
		put_virtual(dump, name, sql);
		return HF_OK;
	}
	if (is_text(name, "sqlite_sequence"))
		hf_deferred_text(dump->out, "DELETE FROM sqlite_sequence;\n");
	else if (begins_with(name, "sqlite_stat"))
		hf_deferred_text(dump->out, "ANALYZE sqlite_schema;\n");
	else if (begins_with(name, "sqlite_"))
		return HF_OK;
	else
		put_statement(dump, sql);
	return dump_rows(dump, name, err);
}

/* sqlite_sequence last: inserting rows would change it */
static const char tables[] =
	"SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql IS NOT NULL"
	" AND (?1 IS NULL OR name NOT GLOB ?1) ORDER BY name = 'sqlite_sequence', rowid";
static const char others[] =
	"SELECT sql FROM main.sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL"
	" AND (?1 IS NULL OR tbl_name NOT GLOB ?1) ORDER BY type = 'trigger', rowid";

static enum hf_status prepare_without(struct dump *dump, const char *sql, const char *leave_out,
				      struct hf_sqlite_stmt **stmt, struct hf_err *err)
{
	struct hf_db_value name = {.type = HF_DB_NULL};
	enum hf_status status = prepare_dump(dump, sql, stmt, err);

	if (leave_out)
		name = HF_DB_TEXT_VALUE(leave_out, strlen(leave_out));
	return status == HF_OK ? hf_sqlite_stmt_bind(*stmt, 1, &name, err) : status;
}

static enum hf_status dump_tables(struct dump *dump, const char *leave_out, struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = prepare_without(dump, tables, leave_out, &stmt, err);

	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_db_value name = hf_sqlite_stmt_column(stmt, 0),
				   sql = hf_sqlite_stmt_column(stmt, 1);

		status = dump_table(dump, &name, &sql, err);
	}
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status dump_others(struct dump *dump, const char *leave_out, struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = prepare_without(dump, others, leave_out, &stmt, err);

	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_db_value sql = hf_sqlite_stmt_column(stmt, 0);

		put_statement(dump, &sql);
	}
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status dump_number(struct dump *dump, const char *pragma, struct hf_err *err)
{
	char sql[64];
	int64_t n;
	enum hf_status status;

	snprintf(sql, sizeof(sql), "PRAGMA main.%s", pragma);
	status = hf_db_int(dump->db, sql, NULL, 0, &n, err);
	if (status == HF_OK && n)
		hf_deferred_print(dump->out, "PRAGMA %s=%lld;\n", pragma, (long long)n);
	return status;
}

enum hf_status hf_dump(struct hf_db *db, const char *leave_out, struct hf_deferred *out,
		       struct hf_err *err)
{
	struct dump dump = {.db = db, .out = out};
	enum hf_status status;

	hf_deferred_text(out, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
	status = dump_number(&dump, "application_id", err);
	if (status == HF_OK)
		status = dump_number(&dump, "user_version", err);
	if (status == HF_OK)
		status = dump_tables(&dump, leave_out, err);
	if (status == HF_OK)
		status = dump_others(&dump, leave_out, err);
	if (dump.writable)
		hf_deferred_text(out, "PRAGMA writable_schema=OFF;\n");
	hf_deferred_text(out, "COMMIT;\n");
	return status == HF_OK ? hf_deferred_check(out, err) : status;
}
