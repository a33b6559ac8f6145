/* SPDX-License-Identifier: ISC */
#include "sqlite/query.h"

#include <string.h>

struct hf_db_value hf_text_value(const char *text)
{
	if (!text)
		return (struct hf_db_value){.type = HF_DB_NULL};
	return HF_DB_TEXT_VALUE(text, strlen(text));
}

static enum hf_status bind_values(struct hf_sqlite_stmt *stmt, const struct hf_db_value *values,
				  int count, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (int i = 0; i < count && status == HF_OK; i++)
		status = hf_sqlite_stmt_bind(stmt, i + 1, &values[i], err);
	return status;
}

static enum hf_status finalize_and_return(struct hf_sqlite_stmt **stmt, enum hf_status status)
{
	hf_sqlite_stmt_finalize(*stmt);
	*stmt = NULL;
	return status;
}

enum hf_status hf_db_query(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			   int count, struct hf_sqlite_stmt **stmt, struct hf_err *err)
{
	enum hf_status status =
		hf_sqlite_prepare(hf_db_sql(db), sql, strlen(sql), stmt, NULL, err);

	if (status == HF_OK)
		status = bind_values(*stmt, values, count, err);
	return status == HF_OK ? HF_OK : finalize_and_return(stmt, status);
}

enum hf_status hf_db_first(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			   int count, struct hf_sqlite_stmt **stmt, struct hf_err *err)
{
	enum hf_status status = hf_db_query(db, sql, values, count, stmt, err);

	if (status == HF_OK)
		status = hf_sqlite_stmt_step(*stmt, err);
	return status == HF_OK ? HF_OK : finalize_and_return(stmt, status);
}

enum hf_status hf_db_int(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			 int count, int64_t *result, struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = hf_db_first(db, sql, values, count, &stmt, err);

	if (status == HF_OK)
		*result = hf_sqlite_stmt_column(stmt, 0).i;
	hf_sqlite_stmt_finalize(stmt);
	return status;
}

enum hf_status hf_db_exec(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			  int count, int64_t *changes, struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = hf_db_query(db, sql, values, count, &stmt, err);

	while (status == HF_OK)
		status = hf_sqlite_stmt_step(stmt, err);
	if (status == HF_NO && changes)
		*changes = hf_sqlite_changes(hf_db_sql(db));
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_sqlite_stmt_run(struct hf_sqlite_stmt *stmt, const struct hf_db_value *values,
				  int count, struct hf_err *err)
{
	enum hf_status status = bind_values(stmt, values, count, err);

	if (status == HF_OK)
		status = hf_sqlite_stmt_step(stmt, err);
	hf_sqlite_stmt_reset(stmt);
	return status;
}
