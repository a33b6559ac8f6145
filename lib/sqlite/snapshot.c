/* SPDX-License-Identifier: ISC */
#include "sqlite/snapshot.h"

#include "base/copy.h"
#include "base/sys.h"
#include "sqlite/dump.h"
#include "sqlite/fd_vfs.h"

/*
 * Images.
 */

static int open_copy(int fd, sqlite3 **copy)
{
	int code = hf_fd_vfs_open(fd, copy);

	return code != SQLITE_OK
		       ? code
		       : sqlite3_exec(*copy,
				      "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
				      "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF",
				      NULL, NULL, NULL);
}

static int copy_pages(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");

	if (!backup)
		return sqlite3_errcode(to);
	sqlite3_backup_step(backup, -1);
	return sqlite3_backup_finish(backup);
}

/* Set the read and the write version in the header: 1 is a rollback journal, 2 the log. */
static int leave_wal_mode(int fd)
{
	struct stat st;

	if (sys_fstat(fd, &st) < 0)
		return SQLITE_IOERR_FSTAT;
	if (st.st_size == 0 || hf_pwrite_all(fd, "\1\1", 2, 18, NULL, NULL) == HF_OK)
		return SQLITE_OK;
	return SQLITE_IOERR_WRITE;
}

/* Make the statements that empty the tables whose names match ?1. */
static const char clear_sql[] =
	"SELECT group_concat(printf('DELETE FROM main.\"%w\";', name), '') FROM sqlite_schema"
	" WHERE type = 'table' AND name GLOB ?1";

static int clear_tables(int fd, const char *pattern)
{
	sqlite3_stmt *found = NULL;
	sqlite3 *copy;
	int code = open_copy(fd, &copy);

	if (code == SQLITE_OK)
		code = sqlite3_exec(copy, "PRAGMA secure_delete=ON", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(copy, clear_sql, -1, &found, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(found, 1, pattern, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_step(found);
	if (code == SQLITE_ROW)
		code = sqlite3_exec(copy, (const char *)sqlite3_column_text(found, 0), NULL, NULL,
				    NULL);
	sqlite3_finalize(found);
	sqlite3_close(copy);
	return code;
}

/* Copy the pages unchanged, except that the copy is not in WAL mode. */
static enum hf_status write_image(struct hf_sqlite_conn *sql, int fd, const char *leave_out,
				  struct hf_err *err)
{
	sqlite3 *copy;
	int code = open_copy(fd, &copy);

	if (code == SQLITE_OK)
		code = copy_pages(hf_sqlite_handle(sql), copy);
	sqlite3_close(copy);
	if (code == SQLITE_OK)
		code = leave_wal_mode(fd);
	if (code == SQLITE_OK && leave_out)
		code = clear_tables(fd, leave_out);
	return code == SQLITE_OK ? HF_OK : hf_sqlite_fail(sql, code, "copy", err);
}

/*
 * Text.
 */

static enum hf_status write_text(struct hf_db *db, int fd, const char *leave_out,
				 struct hf_err *err)
{
	struct hf_deferred out = {.fd = fd + 1};
	enum hf_status status = hf_dump(db, leave_out, &out, err);

	if (status == HF_OK)
		status = hf_deferred_flush_stream(&out, err);
	out.fd = 0; /* owned by the caller */
	hf_deferred_free(&out);
	return status;
}

enum hf_status hf_db_snapshot(struct hf_db *db, int fd, bool as_text, const char *leave_out,
			      struct hf_err *err)
{
	bool begins = !hf_db_in_transaction(db);
	enum hf_status status = begins ? hf_db_begin_read(db, err) : HF_OK;

	if (status != HF_OK)
		return status;
	status = as_text ? write_text(db, fd, leave_out, err)
			 : write_image(hf_db_sql(db), fd, leave_out, err);
	if (begins)
		hf_db_rollback(db);
	return status;
}
