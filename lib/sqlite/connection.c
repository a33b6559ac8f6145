/* SPDX-License-Identifier: ISC */
#include "sqlite/connection.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite/open_guard.h"
#include "sqlite/shm_space.h"
#include "sqlite/sql_lexer.h"
#include "probe/sqlite_beside.h"
#include "base/strerror.h"

struct hf_sqlite_conn {
	sqlite3 *handle;
	const char *name;
	int code;			 /* of the last call that failed */
	const char *script, *script_end; /* or NULL */
};

struct hf_sqlite_stmt {
	sqlite3_stmt *raw;
	struct hf_sqlite_conn *sql;
	const char *text;
};

/* Return true if only this connection may not write (PRAGMA query_only), but the file is
 * writable. */
static bool is_query_only(const struct hf_sqlite_conn *sql, int code)
{
	return code == SQLITE_READONLY && sql->handle &&
	       sqlite3_db_readonly(sql->handle, "main") == 0;
}

/* The errno is added if it says more than SQLite's message. */
enum hf_status hf_sqlite_fail(struct hf_sqlite_conn *sql, int code, const char *what,
			      struct hf_err *err)
{
	const struct hf_db_code *means;
	enum hf_status status;
	int errnum = 0;

	if (sql->handle && sqlite3_extended_errcode(sql->handle) == code)
		errnum = sqlite3_system_errno(sql->handle);
	sql->code = code;
	if ((code & 0xff) == SQLITE_CANTOPEN && hf_sql_guard_refused(sql->name, err))
		return HF_NOPERM;
	means = hf_db_code(code);
	status = means->status;
	if (is_query_only(sql, code)) {
		hf_fail(err, status, "cannot %s '%s': it writes, and --read only reads", what,
			sql->name);
		hf_advise(err, "omit --read");
		return status;
	}
	if ((code & 0xff) == SQLITE_CANTOPEN && errnum) {
		errno = errnum;
		status = hf_fail_errno(err, "cannot %s '%s'", what, sql->name);
	} else if ((code & 0xff) == SQLITE_IOERR && means->status == HF_IO) {
		hf_fail(err, status, "cannot %s '%s': I/O error %d of SQLite%s%s", what, sql->name,
			code, errnum ? ": " : "", errnum ? hf_strerror(errnum) : "");
		if (err)
			err->errnum = errnum;
	} else {
		hf_fail(err, status, "cannot %s '%s': %s", what, sql->name,
			means->why    ? means->why
			: sql->handle ? sqlite3_errmsg(sql->handle)
				      : sqlite3_errstr(code));
	}
	for (size_t i = 0; i < 3 && means->advice[i]; i++)
		hf_advise(err, "%s", means->advice[i]);
	return status;
}

/* The same for a statement whose SQL begins at text, perhaps within a script. */
static enum hf_status fail_at(struct hf_sqlite_conn *sql, int code, const char *text,
			      struct hf_err *err)
{
	int offset = sqlite3_error_offset(sql->handle);
	size_t line, column;
	char what[80];

	if (!sql->script)
		return hf_sqlite_fail(sql, code, "run SQL in", err);
	text = offset < 0 ? hf_sql_skip(text, sql->script_end) : text + offset;
	hf_sql_position(sql->script, text, &line, &column);
	snprintf(what, sizeof(what), "run line %zu, column %zu of the SQL in", line, column);
	return hf_sqlite_fail(sql, code, what, err);
}

static pthread_once_t guarded = PTHREAD_ONCE_INIT;

static void guard_vfs(void)
{
	sqlite3_vfs *vfs = sqlite3_initialize() == SQLITE_OK ? sqlite3_vfs_find(NULL) : NULL;

	if (!vfs || vfs->iVersion < 3 || !vfs->xSetSystemCall)
		return;
	hf_sql_guard(vfs);
	hf_sql_shm_guard(vfs);
}

enum hf_status hf_sqlite_open(struct hf_sqlite_conn **result, const char *path, const char *name,
			      bool create, struct hf_err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
		    (create ? SQLITE_OPEN_CREATE : 0);
	enum hf_status status = hf_sqlite_check_beside(path, err);
	struct hf_sqlite_conn *sql;
	char *plain;
	int code;

	*result = NULL;
	if (status != HF_OK)
		return status;
	pthread_once(&guarded, guard_vfs);
	sql = calloc(1, sizeof(*sql));
	/* "file:" would begin a URI, and ":memory:" is not a file; a path begins with "/" or
	 * "./" */
	if (!sql || asprintf(&plain, "%s%s", *path == '/' ? "" : "./", path) < 0) {
		free(sql);
		return hf_fail(err, HF_OS, "cannot open '%s': out of memory", name);
	}
	sql->name = name;
	code = sqlite3_open_v2(plain, &sql->handle, flags, NULL);
	free(plain);
	if (code != SQLITE_OK) {
		status = hf_sqlite_fail(sql, code, "open", err);
		hf_sqlite_close(sql);
		sql = NULL;
	}
	*result = sql;
	return status;
}

void hf_sqlite_close(struct hf_sqlite_conn *sql)
{
	int saved = errno;

	if (!sql)
		return;
	sqlite3_close_v2(sql->handle);
	free(sql);
	errno = saved;
}

void hf_sqlite_keep_wal(struct hf_sqlite_conn *sql)
{
	sqlite3_db_config(sql->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

static int check_interrupt(void *stop)
{
	return *(const volatile sig_atomic_t *)stop != 0;
}

void hf_sqlite_interrupt_flag(struct hf_sqlite_conn *sql, const volatile sig_atomic_t *stop)
{
	/* instructions of SQLite's virtual machine: about 10 us */
	sqlite3_progress_handler(sql->handle, stop ? 1000 : 0, check_interrupt, (void *)stop);
}

bool hf_sqlite_has_moved(struct hf_sqlite_conn *sql)
{
	int moved = 0;

	return sqlite3_file_control(sql->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) ==
		       SQLITE_OK &&
	       moved;
}

int hf_sqlite_code(const struct hf_sqlite_conn *sql)
{
	return sql->code;
}

void hf_sqlite_script(struct hf_sqlite_conn *sql, const char *script, size_t size)
{
	sql->script = script;
	sql->script_end = script ? script + size : NULL;
}

bool hf_sqlite_in_transaction(const struct hf_sqlite_conn *sql)
{
	return !sqlite3_get_autocommit(sql->handle);
}

int64_t hf_sqlite_last_rowid(const struct hf_sqlite_conn *sql)
{
	return sqlite3_last_insert_rowid(sql->handle);
}

int64_t hf_sqlite_changes(const struct hf_sqlite_conn *sql)
{
	return sqlite3_changes64(sql->handle);
}

enum hf_status hf_sqlite_prepare(struct hf_sqlite_conn *sql, const char *text, size_t size,
				 struct hf_sqlite_stmt **result, const char **rest,
				 struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	sqlite3_stmt *raw;
	const char *tail;
	int code;

	*result = NULL;
	if (size >= INT_MAX) {
		hf_fail(err, HF_DATA, "cannot run SQL in '%s': it is too long", sql->name);
		hf_advise(err, "%s", hf_db_code(SQLITE_TOOBIG)->advice[0]);
		return HF_DATA;
	}
	code = sqlite3_prepare_v2(sql->handle, text, (int)size + 1, &raw, &tail);
	if (code != SQLITE_OK)
		return fail_at(sql, code, text, err);
	if (rest)
		*rest = tail;
	if (!raw)
		return HF_OK;
	stmt = malloc(sizeof(*stmt));
	if (!stmt) {
		sqlite3_finalize(raw);
		return hf_sqlite_fail(sql, SQLITE_NOMEM, "run SQL in", err);
	}
	*stmt = (struct hf_sqlite_stmt){.raw = raw, .sql = sql, .text = text};
	*result = stmt;
	return HF_OK;
}

enum hf_status hf_sqlite_run(struct hf_sqlite_conn *sql, const char *text, const char *what,
			     struct hf_err *err)
{
	int code = sqlite3_exec(sql->handle, text, NULL, NULL, NULL);

	return code == SQLITE_OK ? HF_OK : hf_sqlite_fail(sql, code, what, err);
}

enum hf_status hf_sqlite_stmt_bind(struct hf_sqlite_stmt *stmt, int index,
				   const struct hf_db_value *value, struct hf_err *err)
{
	/* an empty text or blob is not NULL */
	const void *data = value->data ? value->data : "";
	int code = SQLITE_OK;

	switch (value->type) {
	case HF_DB_NULL:
		code = sqlite3_bind_null(stmt->raw, index);
		break;
	case HF_DB_INT:
		code = sqlite3_bind_int64(stmt->raw, index, value->i);
		break;
	case HF_DB_REAL:
		code = sqlite3_bind_double(stmt->raw, index, value->r);
		break;
	case HF_DB_TEXT:
		code = sqlite3_bind_text64(stmt->raw, index, data, value->size, SQLITE_STATIC,
					   SQLITE_UTF8);
		break;
	case HF_DB_BLOB:
		code = sqlite3_bind_blob64(stmt->raw, index, data, value->size, SQLITE_STATIC);
		break;
	}
	return code == SQLITE_OK ? HF_OK : fail_at(stmt->sql, code, stmt->text, err);
}

int hf_sqlite_stmt_parameters(struct hf_sqlite_stmt *stmt)
{
	return sqlite3_bind_parameter_count(stmt->raw);
}

const char *hf_sqlite_stmt_parameter(struct hf_sqlite_stmt *stmt, int index)
{
	return sqlite3_bind_parameter_name(stmt->raw, index);
}

enum hf_status hf_sqlite_stmt_step(struct hf_sqlite_stmt *stmt, struct hf_err *err)
{
	int code = sqlite3_step(stmt->raw);

	if (code == SQLITE_ROW)
		return HF_OK;
	if (code == SQLITE_DONE)
		return HF_NO;
	return fail_at(stmt->sql, code, stmt->text, err);
}

int hf_sqlite_stmt_columns(struct hf_sqlite_stmt *stmt)
{
	return sqlite3_column_count(stmt->raw);
}

const char *hf_sqlite_stmt_name(struct hf_sqlite_stmt *stmt, int column)
{
	const char *name = sqlite3_column_name(stmt->raw, column);

	return name ? name : "";
}

struct hf_db_value hf_sqlite_stmt_column(struct hf_sqlite_stmt *stmt, int column)
{
	struct hf_db_value value = {.type = HF_DB_NULL};

	switch (sqlite3_column_type(stmt->raw, column)) {
	case SQLITE_INTEGER:
		value.type = HF_DB_INT;
		value.i = sqlite3_column_int64(stmt->raw, column);
		break;
	case SQLITE_FLOAT:
		value.type = HF_DB_REAL;
		value.r = sqlite3_column_double(stmt->raw, column);
		break;
	case SQLITE_TEXT:
		value.type = HF_DB_TEXT;
		value.data = sqlite3_column_text(stmt->raw, column);
		value.size = (size_t)sqlite3_column_bytes(stmt->raw, column);
		break;
	case SQLITE_BLOB:
		value.type = HF_DB_BLOB;
		value.data = sqlite3_column_blob(stmt->raw, column);
		value.size = (size_t)sqlite3_column_bytes(stmt->raw, column);
		break;
	default:
		break;
	}
	return value;
}

void hf_sqlite_stmt_reset(struct hf_sqlite_stmt *stmt)
{
	sqlite3_reset(stmt->raw);
	sqlite3_clear_bindings(stmt->raw);
}

void hf_sqlite_stmt_finalize(struct hf_sqlite_stmt *stmt)
{
	int saved = errno;

	if (!stmt)
		return;
	sqlite3_finalize(stmt->raw);
	free(stmt);
	errno = saved;
}

void *hf_sqlite_handle(struct hf_sqlite_conn *sql)
{
	return sql->handle;
}
