/* SPDX-License-Identifier: ISC */
#include "atomic/backup.h"

#include <errno.h>
#include <string.h>

#include "base/attributes.h"
#include "base/copy.h"
#include "base/side_file.h"
#include "base/sys.h"
#include "base/tempfile.h"

enum { NAME_SIZE = 2 * (NAME_MAX + 1), MAX_TRIES = 20 };

static char *backup_name(const struct hf_target *target, const char *suffix, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s%.*s", target->name, NAME_MAX, suffix);
	return out;
}

enum hf_status hf_backup_check(const struct hf_target *target, const char *suffix,
			       struct hf_err *err)
{
	if (!*suffix || strchr(suffix, '/'))
		return hf_fail(err, HF_USAGE, "'%s' cannot be the suffix of a backup", suffix);
	if (strlen(target->name) + strlen(suffix) <= NAME_MAX)
		return HF_OK;
	errno = ENAMETOOLONG;
	return hf_fail_errno(err, "cannot keep a backup of '%s'", target->path);
}

/* Return true if name is another name of the target. */
static bool is_name_of(const struct hf_target *target, const char *name, const struct stat *st)
{
	struct stat other;

	return sys_fstatat(target->dir, name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
	       hf_same_inode(&other, st);
}

/* Remove a side name with a number, which a process took and was killed soon after
 * (base/side_file.h). */
static bool remove_numbered(const struct hf_target *target, const struct stat *st)
{
	DIR *dir = hf_side_list(target);
	struct hf_trust trust;
	bool removed = false;
	const char *name;

	hf_trust_init(&trust, target, HF_TRUST_NAMED);
	while (dir && !removed && (name = hf_side_next(dir, &trust, "bak")))
		removed = is_name_of(target, name, st) && sys_unlinkat(target->dir, name, 0) == 0;
	if (dir)
		closedir(dir);
	return removed;
}

bool hf_backup_explains(const struct hf_target *target, const struct stat *st, const char *suffix)
{
	char side[NAME_MAX + 1], name[NAME_SIZE];

	if (st->st_nlink != 2)
		return false;
	if (is_name_of(target, hf_target_side(target, "bak", side), st))
		return sys_unlinkat(target->dir, side, 0) == 0;
	if (suffix && is_name_of(target, backup_name(target, suffix, name), st))
		return true;
	return remove_numbered(target, st);
}

/* Copy the old content into a new file with the side name. HF_NO: the name is taken. */
static enum hf_status copy_old(const struct hf_target *target, int fd, const struct stat *st,
			       const char *side, bool sync, struct hf_err *err)
{
	enum hf_status status;
	char name[NAME_MAX + 1];
	int copy;

	status = hf_tempfile_open(target, 0600, &copy, name, err);
	if (status != HF_OK)
		return status;
	status = hf_copy_file(fd, copy, target->path, target->path, err);
	if (status == HF_OK)
		status = hf_copy_attributes(fd, copy, st, target->path, err);
	if (status == HF_OK && sync && sys_fsync(copy) < 0)
		status = hf_fail_errno(err, "cannot keep a backup of '%s'", target->path);
	if (status == HF_OK)
		status = hf_tempfile_name(target, copy, name, side, err);
	hf_tempfile_discard(target, copy, status == HF_OK ? "" : name);
	return status;
}

/* Give the old content this name too. HF_NO: the name is taken. */
static enum hf_status link_old(const struct hf_target *target, int fd, const struct stat *st,
			       const char *side, bool sync, struct hf_err *err)
{
	if (sys_linkat(target->dir, target->name, target->dir, side, 0) == 0)
		return HF_OK;
	if (errno == EEXIST)
		return HF_NO;
	if (fd >= 0 && (errno == EPERM || errno == EXDEV || errno == EMLINK || errno == EOPNOTSUPP))
		return copy_old(target, fd, st, side, sync, err);
	return hf_fail_errno(err, "cannot keep a backup of '%s'", target->path);
}

enum hf_status hf_backup(const struct hf_target *target, int fd, const struct stat *st,
			 const char *suffix, bool sync, struct hf_err *err)
{
	char side[NAME_MAX + 1], name[NAME_SIZE];
	enum hf_status status = HF_NO;
	int dir = target->dir;

	/* Made by a process that died before the replacement. Renaming one name of a file to
	 * another name of it would leave both. */
	if (is_name_of(target, backup_name(target, suffix, name), st))
		return HF_OK;
	hf_target_side(target, "bak", side);
	if (sys_unlinkat(dir, side, 0) < 0 && errno != ENOENT && !HF_WITHOUT(side_names)) {
		hf_tempfile_reap(target, side); /* for a notice */
		hf_side_name(target, "bak", hf_side_number(), side);
	}
	for (int tries = 0; status == HF_NO && tries < MAX_TRIES; tries++) {
		status = link_old(target, fd, st, side, sync, err);
		if (status == HF_NO)
			hf_side_name(target, "bak", hf_side_number(), side);
	}
	if (status == HF_NO) {
		errno = EEXIST;
		return hf_fail_errno(err, "cannot keep a backup of '%s'", target->path);
	}
	if (status == HF_OK && sys_renameat2(dir, side, dir, name, 0) < 0) {
		status = hf_fail_errno(err, "cannot keep a backup of '%s' as '%s'", target->path,
				       name);
		sys_unlinkat(dir, side, 0);
	}
	return status;
}
