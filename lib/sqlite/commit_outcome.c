/* SPDX-License-Identifier: ISC */
#include "sqlite/commit_outcome.h"

#include <sqlite3.h>

enum { STATEMENT_SIZE = 80 };

/* Make the statement that writes the first page again, unchanged. */
static int make_overwrite(void *statement, int columns, char **values, char **names)
{
	(void)columns;
	(void)names;
	sqlite3_snprintf(STATEMENT_SIZE, statement,
			 "BEGIN IMMEDIATE; PRAGMA user_version=%s; COMMIT", values[0]);
	return 0;
}

static bool overwrite_log(struct hf_sqlite_conn *sql)
{
	sqlite3 *handle = hf_sqlite_handle(sql);
	char statement[STATEMENT_SIZE] = "";

	if (hf_sqlite_in_transaction(sql))
		hf_sqlite_run(sql, "ROLLBACK", "roll back", NULL);
	return sqlite3_exec(handle, "PRAGMA user_version", make_overwrite, statement, NULL) ==
		       SQLITE_OK &&
	       hf_sqlite_run(sql, statement, "write to", NULL) == HF_OK;
}

enum hf_status hf_db_resolve_commit(struct hf_sqlite_conn *sql, struct hf_err *err)
{
	enum hf_status status = HF_UNCERTAIN;

	switch (hf_sqlite_code(sql)) {
	case SQLITE_IOERR_FSYNC:
		if (overwrite_log(sql))
			return HF_IO;
		status = HF_UNKNOWN;
		break;
	case SQLITE_IOERR_DIR_FSYNC:
	case SQLITE_IOERR_UNLOCK:
	case SQLITE_IOERR_RDLOCK:
	case SQLITE_IOERR_CLOSE:
		break;
	default:
		return HF_IO;
	}
	if (err)
		err->status = status;
	hf_advise(err, "it may be in; that shows when the database is opened next");
	return status;
}
