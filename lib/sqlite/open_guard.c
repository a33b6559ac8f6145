/* SPDX-License-Identifier: ISC */
#include "sqlite/open_guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "probe/sqlite_beside.h"
#include "base/sys.h"

enum { MAX_TRIES = 16 };

static _Thread_local struct {
	const char *why; /* NULL: none was refused */
	uid_t owner;
	char name[NAME_MAX + 1];
} refused;

static int refuse(const char *name, const struct stat *st, const char *why)
{
	refused.why = why;
	refused.owner = st->st_uid;
	snprintf(refused.name, sizeof(refused.name), "%s", name);
	errno = EPERM;
	return -1;
}

/* Open an existing file, if it may be used. */
static int open_judged(struct hf_trust *trust, const char *name, int flags)
{
	struct stat st;
	const char *why;
	int fd;

	/* opening a FIFO blocks, and opening a device can have side effects */
	if (sys_fstatat(trust->target->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		return refuse(name, &st, "it is not a regular file");
	fd = openat(trust->target->dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fd;
	why = HF_WITHOUT(sql_guard) ? NULL : hf_sqlite_distrusts(trust, fd, &st);
	if (!why)
		return fd;
	close(fd);
	return refuse(name, &st, why);
}

/* Of the directory `dir`; end is where the suffix begins in its entry `name`. */
static int open_beside(int dir, const char *name, const char *end, int flags, mode_t mode)
{
	struct hf_target target = {.dir = dir, .path = name};
	struct hf_trust trust;
	int db, fd = -1;

	snprintf(target.name, sizeof(target.name), "%.*s", (int)(end - name), name);
	db = hf_sqlite_open_path(dir, target.name);
	hf_trust_init(&trust, &target, db);
	for (int tries = 0; tries < MAX_TRIES && fd < 0; tries++) {
		fd = open_judged(&trust, name, flags & ~(O_CREAT | O_EXCL));
		if (fd >= 0 || errno != ENOENT || !(flags & O_CREAT))
			break;
		/* a file that is created here is ours */
		fd = openat(dir, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	hf_close(db);
	return fd;
}

static int guarded_open(const char *path, int flags, int mode)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *end = hf_sqlite_suffix(name);
	char parent[PATH_MAX];
	int dir, fd;

	if (!end || strlen(path) >= sizeof(parent))
		return open(path, flags, (mode_t)mode);
	snprintf(parent, sizeof(parent), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	dir = sys_openat(AT_FDCWD, slash ? parent : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir < 0)
		return -1;
	fd = open_beside(dir, name, end, flags, (mode_t)mode);
	hf_close(dir);
	return fd;
}

void hf_sql_guard(sqlite3_vfs *vfs)
{
	vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)guarded_open);
}

bool hf_sql_guard_refused(const char *path, struct hf_err *err)
{
	if (!refused.why)
		return false;
	hf_sqlite_refuse_beside(path, refused.name, refused.owner, refused.why, err);
	refused.why = NULL;
	return true;
}
