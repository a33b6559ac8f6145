/* SPDX-License-Identifier: ISC */
#include "sqlite/fd_vfs.h"

#include <errno.h>
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

static int size_of_file(sqlite3_file *file, sqlite3_int64 *size)
{
	struct stat st;

	if (sys_fstat(fd_of(file), &st) < 0)
		return SQLITE_IOERR_FSTAT;
	*size = st.st_size;
	return SQLITE_OK;
}

/* SQLITE_OK; as a sector size, SQLite's smallest. */
static int return_zero(sqlite3_file *file)
{
	(void)file;
	return 0;
}

static int ignore_request(sqlite3_file *file, int request)
{
	(void)file;
	(void)request;
	return SQLITE_OK;
}

static int control_file(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int is_reserved(sqlite3_file *file, int *reserved)
{
	(void)file;
	*reserved = 0;
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = return_zero,
	.xRead = read_file,
	.xWrite = write_file,
	.xTruncate = truncate_file,
	.xSync = ignore_request,
	.xFileSize = size_of_file,
	.xLock = ignore_request,
	.xUnlock = ignore_request,
	.xCheckReservedLock = is_reserved,
	.xFileControl = control_file,
	.xSectorSize = return_zero,
	.xDeviceCharacteristics = return_zero,
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

static int copy_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
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
	vfs.xFullPathname = copy_path;
	return sqlite3_vfs_register(&vfs, 0);
}

int hf_fd_vfs_open(int fd, sqlite3 **db)
{
	char path[16];
	int code = make_vfs();

	*db = NULL;
	if (code != SQLITE_OK)
		return code;
	snprintf(path, sizeof(path), "%d", fd);
	return sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, VFS);
}
