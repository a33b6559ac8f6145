/* SPDX-License-Identifier: ISC */
#include "sqlite/dump.h"

#include <stdio.h>
#include <string.h>

#include "sqlite/row_format.h"

static const char hex_digits[] = "0123456789ABCDEF";

static void put_blob(struct hf_deferred *out, const struct hf_db_value *value)
{
	hf_deferred_text(out, "X'");
	hf_deferred_hex(out, value->data, value->size, hex_digits);
	hf_deferred_text(out, "'");
}

/* quote() of SQLite would cut a text at a NUL byte, and makes "Inf" of an infinite real. */
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
		hf_deferred_text(out, hf_row_format_real(real, value->r, "1e999"));
		break;
	case HF_DB_TEXT:
		if (!value->size || !memchr(value->data, '\0', value->size)) {
			hf_deferred_quoted(out, value->data ? value->data : "", value->size, '\'');
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

/* Put an INSERT for each row of a query: the beginning, and the row's values. */
static enum hf_status dump_rows(struct hf_db *db, const struct hf_db_value *query,
				const struct hf_db_value *beginning, struct hf_deferred *out,
				struct hf_err *err)
{
	struct hf_sqlite_stmt *rows;
	enum hf_status status = hf_sqlite_prepare(hf_db_sql(db), query->data, query->size, &rows,
						  NULL, err);

	while (status == HF_OK && (status = hf_sqlite_stmt_step(rows, err)) == HF_OK) {
		hf_deferred_write(out, beginning->data, beginning->size);
		for (int i = 0; i < hf_sqlite_stmt_columns(rows); i++) {
			struct hf_db_value value = hf_sqlite_stmt_column(rows, i);

			hf_deferred_text(out, i ? "," : "");
			put_value(out, &value);
		}
		hf_deferred_text(out, ");\n");
		status = hf_deferred_check(out, err);
	}
	hf_sqlite_stmt_finalize(rows);
	return status == HF_NO ? HF_OK : status;
}

/*
 * For each entry of the schema in the order of the dump: is it a virtual table; the statement that
 * makes it; the query of its rows, or NULL; the beginning of each row's INSERT. ?1 is the pattern
 * of tables to leave out.
 *
 * CREATE would make the shadow tables of a virtual table, which are dumped as they are; its columns
 * are not asked for, since its module may be absent. Rows are read from the table itself: an index
 * with all its columns would give another order. sqlite_sequence comes last of the tables, since
 * inserting rows changes it. Generated columns are left out; then the others are named.
 */
static const char schema_query[] =
	"WITH entry AS (SELECT rowid AS number, type, name, sql,"
	"  CASE WHEN type <> 'table' THEN 'other'"
	"  WHEN substr(sql, 1, 20) = 'CREATE VIRTUAL TABLE' COLLATE NOCASE THEN 'virtual'"
	"  WHEN name = 'sqlite_sequence' THEN 'sequence'"
	"  WHEN substr(name, 1, 11) = 'sqlite_stat' COLLATE NOCASE THEN 'statistics'"
	"  WHEN substr(name, 1, 7) = 'sqlite_' COLLATE NOCASE THEN 'internal'"
	"  ELSE 'rows' END AS kind"
	"  FROM main.sqlite_schema WHERE sql IS NOT NULL"
	"  AND (?1 IS NULL OR tbl_name NOT GLOB ?1)),"
	" listed AS (SELECT *, CASE WHEN kind NOT IN ('other', 'virtual') THEN"
	"  (SELECT group_concat(printf('\"%w\"', name)) FROM pragma_table_xinfo(entry.name, 'main')"
	"   WHERE NOT hidden) END AS columns FROM entry WHERE kind <> 'internal')"
	"SELECT kind = 'virtual',"
	" CASE kind WHEN 'virtual' THEN printf('INSERT INTO sqlite_schema'"
	"  || '(type,name,tbl_name,rootpage,sql)VALUES(''table'',%Q,%Q,0,%Q)', name, name, sql)"
	"  WHEN 'sequence' THEN 'DELETE FROM sqlite_sequence'"
	"  WHEN 'statistics' THEN 'ANALYZE sqlite_schema' ELSE sql END || char(59, 10),"
	" CASE WHEN columns NOT NULL THEN"
	"  printf('SELECT %s FROM main.\"%w\" NOT INDEXED', columns, name) END,"
	" CASE WHEN columns NOT NULL THEN printf('INSERT INTO \"%w\"%s VALUES(', name,"
	"  CASE WHEN EXISTS (SELECT 1 FROM pragma_table_xinfo(listed.name, 'main') WHERE hidden)"
	"  THEN '(' || columns || ')' ELSE '' END) END"
	" FROM listed"
	" ORDER BY type <> 'table', kind = 'sequence', type = 'trigger', number";

static enum hf_status dump_schema(struct hf_db *db, const char *leave_out, struct hf_deferred *out,
				  struct hf_err *err)
{
	struct hf_db_value pattern = hf_text_value(leave_out);
	struct hf_sqlite_stmt *entries;
	bool writable = false; /* writable_schema is ON at this point of the output */
	enum hf_status status = hf_db_query(db, schema_query, &pattern, 1, &entries, err);

	while (status == HF_OK && (status = hf_sqlite_stmt_step(entries, err)) == HF_OK) {
		struct hf_db_value create = hf_sqlite_stmt_column(entries, 1),
				   query = hf_sqlite_stmt_column(entries, 2),
				   beginning = hf_sqlite_stmt_column(entries, 3);

		if (hf_sqlite_stmt_column(entries, 0).i && !writable) {
			hf_deferred_text(out, "PRAGMA writable_schema=ON;\n");
			writable = true;
		}
		hf_deferred_write(out, create.data, create.size);
		if (query.type == HF_DB_TEXT)
			status = dump_rows(db, &query, &beginning, out, err);
	}
	hf_sqlite_stmt_finalize(entries);
	if (writable)
		hf_deferred_text(out, "PRAGMA writable_schema=OFF;\n");
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status dump_number(struct hf_db *db, const char *pragma, struct hf_deferred *out,
				  struct hf_err *err)
{
	char sql[64];
	int64_t n;
	enum hf_status status;

	snprintf(sql, sizeof(sql), "PRAGMA main.%s", pragma);
	status = hf_db_int(db, sql, NULL, 0, &n, err);
	if (status == HF_OK && n)
		hf_deferred_print(out, "PRAGMA %s=%lld;\n", pragma, (long long)n);
	return status;
}

enum hf_status hf_dump(struct hf_db *db, const char *leave_out, struct hf_deferred *out,
		       struct hf_err *err)
{
	enum hf_status status;

	hf_deferred_text(out, "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n");
	status = dump_number(db, "application_id", out, err);
	if (status == HF_OK)
		status = dump_number(db, "user_version", out, err);
	if (status == HF_OK)
		status = dump_schema(db, leave_out, out, err);
	hf_deferred_text(out, "COMMIT;\n");
	return status == HF_OK ? hf_deferred_check(out, err) : status;
}
