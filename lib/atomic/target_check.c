/* SPDX-License-Identifier: ISC */
#include "atomic/target_check.h"

#include <fcntl.h>

#include "atomic/backup.h"
#include "atomic/sqlite_live.h"
#include "base/sys.h"

static const char *describe_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFBLK:
	case S_IFCHR:
		return "a device";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "not a regular file";
	}
}

enum hf_status hf_target_check_kind(const struct hf_target *target, const struct stat *st,
				    struct hf_err *err)
{
	if (S_ISREG(st->st_mode))
		return HF_OK;
	return hf_fail(err, HF_DATA, "refusing to replace '%s': it is %s", target->path,
		       describe_kind(st->st_mode));
}

/* FUSE and NFS cache the link count for a while. After a replacement it often is the two names that
 * a temporary file had for a moment. So ask the file system itself. */
static unsigned long count_names(int fd, const struct stat *st)
{
	struct statx now;

	if (st->st_nlink > 1 &&
	    statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_NLINK, &now) == 0 &&
	    now.stx_mask & STATX_NLINK)
		return now.stx_nlink;
	return (unsigned long)st->st_nlink;
}

enum hf_status hf_target_check(const struct hf_target *target, int fd, const struct stat *st,
			       bool links, const char *backup, struct hf_err *err)
{
	char why[400];
	enum hf_status status = hf_target_check_kind(target, st, err);
	unsigned long names;

	if (status != HF_OK)
		return status;
	names = links ? 1 : count_names(fd, st);
	if (names > 1 && !hf_backup_explains(target, st, backup)) {
		hf_fail(err, HF_DATA, "refusing to replace '%s': it has %lu hard links",
			target->path, names);
		if (hf_backup_explains(target, st, "~"))
			hf_advise(err,
				  "one is '%s~', as a backup that was interrupted leaves it: "
				  "'atomic-write -b' goes on from there",
				  target->path);
		hf_advise(err, "the other names would keep the old content; if that is meant, "
			       "atomic-write and its like have --break-links");
		return HF_DATA;
	}
	if (hf_sqlite_live(target, fd, st, why, sizeof(why))) {
		hf_fail(err, HF_DATA, "refusing to replace '%s': it is a live SQLite database (%s)",
			target->path, why);
		hf_advise(err, "replacing it would corrupt it; use sqlite3's .backup and .restore");
		return HF_DATA;
	}
	return HF_OK;
}

enum hf_status hf_target_check_image(const struct hf_target *target, struct hf_err *err)
{
	const char *beside = hf_sqlite_beside(target);
	struct stat st;
	char why[400];
	bool live;
	int fd;

	if (!beside)
		return HF_OK;
	fd = sys_openat(target->dir, target->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	live = fd >= 0 && sys_fstat(fd, &st) == 0 &&
	       hf_sqlite_live(target, fd, &st, why, sizeof(why));
	if (fd >= 0)
		sys_close(fd);
	if (live)
		return HF_OK;
	hf_fail(err, HF_DATA, "refusing to put a database at '%s': another one's %s file is there",
		target->path, beside);
	hf_advise(err, "SQLite would read it into the new one; if nobody needs it, remove it");
	return HF_DATA;
}
