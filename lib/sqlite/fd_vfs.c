/* SPDX-License-Identifier: ISC */
#include "sqlite/fd_vfs.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/sys.h"

#define VFS "holdfast-descriptor"

struct file {
	sqlite3_file base;
	int fd; /* owned by the caller */
};

static int fd_of(sqlite3_file *file)
{
	return ((struct file *)file)->fd;
}

static int close_file(sqlite3_file *file)
{
	(void)file;
	return SQLITE_OK;
}

static int read_file(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
	char *to = data;
	int done = 0;

	while (done < size) {
		ssize_t n = sys_pread(fd_of(file), to + done, (size_t)(size - done), at + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return SQLITE_IOERR_READ;
		if (n == 0) {
			memset(to + done, 0, (size_t)(size - done));
			return SQLITE_IOERR_SHORT_READ;
		}
		done += (int)n;
	}
	return SQLITE_OK;
}

static int write_file(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	if (hf_pwrite_all(fd_of(file), data, (size_t)size, at, NULL, NULL) == HF_OK)
		return SQLITE_OK;
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? SQLITE_FULL
								    : SQLITE_IOERR_WRITE;
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
	return sys_ftruncate(fd_of(file), size) == 0 ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int sync_file(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_OK;
}

static int size_of_file(sqlite3_file *file, sqlite3_int64 *size)
{
	struct stat st;

	if (sys_fstat(fd_of(file), &st) < 0)
		return SQLITE_IOERR_FSTAT;
	*size = st.st_size;
	return SQLITE_OK;
}

static int lock_file(sqlite3_file *file, int level)
{
	(void)file;
	(void)level;
	return SQLITE_OK;
}

static int is_reserved(sqlite3_file *file, int *reserved)
{
	(void)file;
	*reserved = 0;
	return SQLITE_OK;
}

static int control_file(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *file)
{
	(void)file;
	return 4096;
}

static int characteristics(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = close_file,
	.xRead = read_file,
	.xWrite = write_file,
	.xTruncate = truncate_file,
	.xSync = sync_file,
	.xFileSize = size_of_file,
	.xLock = lock_file,
	.xUnlock = lock_file,
	.xCheckReservedLock = is_reserved,
	.xFileControl = control_file,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = characteristics,
};

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
	(void)vfs;
	file->pMethods = NULL;
	if (!path || !(flags & SQLITE_OPEN_MAIN_DB))
		return SQLITE_CANTOPEN;
	((struct file *)file)->fd = atoi(path);
	file->pMethods = &methods;
	if (out)
		*out = flags;
	return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *path, int sync)
{
	(void)vfs;
	(void)path;
	(void)sync;
	return SQLITE_OK;
}

/* There are no files beside it. */
static int access_file(sqlite3_vfs *vfs, const char *path, int flags, int *there)
{
	(void)vfs;
	(void)path;
	(void)flags;
	*there = 0;
	return SQLITE_OK;
}

static int full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
	(void)vfs;
	sqlite3_snprintf(size, out, "%s", path);
	return SQLITE_OK;
}

/* Time, randomness and sleep are SQLite's own. */
static int make_vfs(void)
{
	static sqlite3_vfs vfs;

	if (vfs.zName)
		return SQLITE_OK;
	if (sqlite3_initialize() != SQLITE_OK || !sqlite3_vfs_find(NULL))
		return SQLITE_ERROR;
	vfs = *sqlite3_vfs_find(NULL);
	vfs.zName = VFS;
	vfs.szOsFile = sizeof(struct file);
	vfs.pNext = NULL;
	vfs.xOpen = open_file;
	vfs.xDelete = delete_file;
	vfs.xAccess = access_file;
	vfs.xFullPathname = full_path;
	return sqlite3_vfs_register(&vfs, 0);
}

static int open_copy(int fd, sqlite3 **copy)
{
	char path[16];
	int code = make_vfs();

	*copy = NULL;
	if (code != SQLITE_OK)
		return code;
	snprintf(path, sizeof(path), "%d", fd);
	code = sqlite3_open_v2(path, copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, VFS);
	if (code == SQLITE_OK)
		code = sqlite3_exec(*copy,
				    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
				    "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF",
				    NULL, NULL, NULL);
	return code;
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
	if (st.st_size == 0)
		return SQLITE_OK;
	return hf_pwrite_all(fd, "\1\1", 2, 18, NULL, NULL) == HF_OK ? SQLITE_OK
								     : SQLITE_IOERR_WRITE;
}

static int clear_table(sqlite3 *copy, const unsigned char *table)
{
	char *sql = sqlite3_mprintf("DELETE FROM main.\"%w\"", table);
	int code = sql ? sqlite3_exec(copy, sql, NULL, NULL, NULL) : SQLITE_NOMEM;

	sqlite3_free(sql);
	return code;
}

static int clear_tables(int fd, const char *pattern)
{
	sqlite3_stmt *found = NULL;
	sqlite3 *copy;
	int code = open_copy(fd, &copy);

	if (code == SQLITE_OK)
		code = sqlite3_exec(copy, "PRAGMA secure_delete=ON", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(copy,
					  "SELECT name FROM sqlite_schema"
					  " WHERE type = 'table' AND name GLOB ?1",
					  -1, &found, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(found, 1, pattern, -1, SQLITE_STATIC);
	while (code == SQLITE_OK && (code = sqlite3_step(found)) == SQLITE_ROW)
		code = clear_table(copy, sqlite3_column_text(found, 0));
	sqlite3_finalize(found);
	sqlite3_close(copy);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

enum hf_status hf_sqlite_image(struct hf_sqlite_conn *sql, int fd, const char *leave_out,
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
