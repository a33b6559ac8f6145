/* SPDX-License-Identifier: ISC */
#include "atomic/publish.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#include "base/side_file.h"
#include "base/sys.h"
#include "base/tempfile.h"

enum { MAX_TRIES = 20 };

int hf_publish_fsync(int fd)
{
	int r;

	do {
		r = sys_fsync(fd);
	} while (r < 0 && errno == EINTR);
	return r;
}

bool hf_publish_syncs_late(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
}

enum hf_status hf_publish_clear(const struct hf_target *target, const char *what, uint32_t *number,
				char name[NAME_MAX + 1])
{
	if (hf_tempfile_reap(target, name) == HF_OK)
		return HF_OK;
	/* a process that was killed while it had a name with a number had found this one taken too
	 */
	if (!*number)
		hf_tempfile_reap_all(target, what);
	*number = hf_side_number();
	hf_side_name(target, what, *number, name);
	return HF_NO;
}

/* Link fd to the side name, or move it there from its present name. */
static enum hf_status link_side(const struct hf_target *target, int fd, const char *from,
				const char *side, uint32_t *number, char name[NAME_MAX + 1],
				struct hf_err *err)
{
	enum hf_status status;

	*number = 0;
	hf_target_side(target, side, name);
	for (int tries = 0; tries < MAX_TRIES; tries++) {
		status = hf_tempfile_name(target, fd, from, name, err);
		if (status != HF_NO)
			return status;
		hf_publish_clear(target, side, number, name);
	}
	errno = EEXIST;
	return hf_fail_errno_as(err, HF_CANTCREAT, "cannot use '%s' beside '%s'", name,
				target->path);
}

enum hf_status hf_publish_name(const struct hf_target *target, int fd, const char *side,
			       uint32_t *number, char name[NAME_MAX + 1], struct hf_err *err)
{
	char from[NAME_MAX + 1];
	enum hf_status status;
	uint32_t own;

	if (name[0] && !number)
		return HF_OK;
	strcpy(from, name);
	if (!from[0] && sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		return hf_fail_replace(target, err);
	status = link_side(target, fd, from, side, number ? number : &own, name, err);
	if (status != HF_OK)
		strcpy(name, from);
	return status;
}

static enum hf_status fail_rename(const struct hf_target *target, struct hf_err *err)
{
	enum hf_status status = hf_fail_replace(target, err);

	if (errno == EBUSY)
		hf_advise(err, "something is mounted on it, and a mount point cannot be replaced");
	return status;
}

enum hf_status hf_publish_rename(const struct hf_target *target, const char *name,
				 struct hf_err *err)
{
	if (sys_renameat2(target->dir, name, target->dir, target->name, 0) == 0)
		return HF_OK;
	return fail_rename(target, err);
}

static enum hf_status fail_overtaken(const struct hf_target *target, struct hf_err *err)
{
	errno = EEXIST;
	return hf_fail_errno_as(err, HF_BUSY, "'%s' was replaced in the meantime", target->path);
}

/* After the exchange: return true if the name leads to this file. If that cannot be read, assume
 * so, since it did before. */
static bool still_names_file(int dir, const char *name, const struct stat *st)
{
	struct stat now;

	return sys_fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) < 0 || hf_same_inode(&now, st);
}

/* HF_BUSY: the target is not this file. */
static enum hf_status check_target_inode(const struct hf_target *target, const struct stat *st,
					 struct hf_err *err)
{
	struct stat now;

	if (sys_fstatat(target->dir, target->name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? fail_overtaken(target, err) : hf_fail_replace(target, err);
	return hf_same_inode(&now, st) ? HF_OK : fail_overtaken(target, err);
}

enum hf_status hf_publish_exchange(const struct hf_target *target, int fd, const char *name,
				   const struct stat *old, struct hf_err *err)
{
	enum hf_status status = check_target_inode(target, old, err);
	int dir = target->dir;

	if (status != HF_OK)
		return status;
	if (HF_WITHOUT(exchange))
		return hf_publish_rename(target, name, err);
	if (sys_renameat2(dir, name, dir, target->name, RENAME_EXCHANGE) < 0) {
		if (errno == EINVAL || errno == ENOSYS)
			return hf_publish_rename(target, name, err);
		return errno == ENOENT && hf_names_inode(dir, name, fd)
			       ? fail_overtaken(target, err)
			       : fail_rename(target, err);
	}
	if (still_names_file(dir, name, old)) {
		/* if it cannot be removed, it is a leftover */
		sys_unlinkat(dir, name, 0);
		return HF_OK;
	}
	/* Exchange back. If that fails, the target is replaced as by a rename. If yet another file
	 * has taken the target's name since then, that one is put back, and the file that it
	 * replaced is a leftover. */
	if (sys_renameat2(dir, name, dir, target->name, RENAME_EXCHANGE) < 0)
		return HF_OK;
	if (!hf_names_inode(dir, name, fd))
		(void)!sys_renameat2(dir, name, dir, target->name, RENAME_EXCHANGE);
	return fail_overtaken(target, err);
}

enum hf_status hf_publish_create(const struct hf_target *target, int fd, const char *name,
				 struct hf_err *err)
{
	char leftover[NAME_MAX + 1];
	enum hf_status status;

	if (name[0])
		return hf_tempfile_name(target, fd, name, target->name, err);
	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		return hf_fail_errno(err, "cannot create '%s'", target->path);
	status = hf_tempfile_link(target, fd, target->name, err);
	if (status != HF_OK)
		return status;
	/* a leftover of a process that died when there was a target to replace */
	hf_tempfile_reap(target, hf_target_side(target, "tmp", leftover));
	return HF_OK;
}

enum hf_status hf_publish_sync(const struct hf_target *target, struct hf_err *err)
{
	if (hf_publish_fsync(target->dir) == 0)
		return HF_OK;
	hf_fail_errno_as(err, HF_UNCERTAIN, "'%s' is replaced, but its directory cannot be synced",
			 target->path);
	hf_advise(err, "the new content is in place; a power cut may bring back the old");
	return HF_UNCERTAIN;
}
