/* SPDX-License-Identifier: ISC */
#include "sqlite/commit_outcome.h"

#include <stdio.h>
#include <string.h>

static enum hf_status read_user_version(struct hf_sqlite_conn *sql, int64_t *version)
{
	static const char query[] = "PRAGMA user_version";
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = hf_sqlite_prepare(sql, query, strlen(query), &stmt, NULL, NULL);

	if (status == HF_OK)
		status = hf_sqlite_stmt_step(stmt, NULL);
	if (status == HF_OK)
		*version = hf_sqlite_stmt_column(stmt, 0).i;
	hf_sqlite_stmt_finalize(stmt);
	return status;
}

/* Write the first page again, unchanged. */
static bool overwrite_log(struct hf_sqlite_conn *sql)
{
	char text[80];
	int64_t version;

	if (hf_sqlite_in_transaction(sql))
		hf_sqlite_run(sql, "ROLLBACK", "roll back", NULL);
	if (read_user_version(sql, &version) != HF_OK)
		return false;
	snprintf(text, sizeof(text), "BEGIN IMMEDIATE; PRAGMA user_version=%lld; COMMIT",
		 (long long)version);
	return hf_sqlite_run(sql, text, "write to", NULL) == HF_OK;
}

enum hf_status hf_db_resolve_commit(struct hf_sqlite_conn *sql, struct hf_err *err)
{
	enum { FSYNC = 4, DIR_FSYNC, UNLOCK = 8, RDLOCK, CLOSE = 16 };
	enum hf_status status = HF_UNCERTAIN;

	switch (hf_sqlite_code(sql) >> 8) {
	case FSYNC:
		if (overwrite_log(sql))
			return HF_IO;
		status = HF_UNKNOWN;
		break;
	case DIR_FSYNC:
	case UNLOCK:
	case RDLOCK:
	case CLOSE:
		break;
	default:
		return HF_IO;
	}
	if (err)
		err->status = status;
	hf_advise(err, "it may be in; that shows when the database is opened next");
	return status;
}
