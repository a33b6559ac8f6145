/* SPDX-License-Identifier: ISC */
#include "publish.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>

#include "clock.h"
#include "stage.h"
#include "sys.h"

int hf_publish_fsync(int fd)
{
	int r;

	do {
		r = sys_fsync(fd);
	} while (r < 0 && errno == EINTR);
	return r;
}

static enum hf_status failed(const struct hf_target *target, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot replace '%s'", target->path);
}

bool hf_publish_syncs_late(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
}

enum hf_status hf_publish_clear(const struct hf_target *target, const char *name, int64_t deadline,
				unsigned int *tries, struct hf_err *err)
{
	struct hf_backoff backoff;
	enum hf_status status = hf_stage_reap(target, name);

	if (status == HF_OK)
		return HF_OK;
	if (status != HF_BUSY)
		return HF_NO;
	status = hf_backoff_init(&backoff, NULL, deadline, err);
	if (status != HF_OK)
		return status;
	backoff.tries = (*tries)++;
	if (hf_backoff_sleep(&backoff))
		return HF_OK;
	hf_fail(err, HF_BUSY, "cannot replace '%s': somebody else is replacing it", target->path);
	hf_advise(err, "try again, or wait longer with --timeout");
	return HF_BUSY;
}

/* Link fd to the side name, or to another where that one cannot be had. */
static enum hf_status link_side(const struct hf_target *target, int fd, const char *side,
				bool fixed, int64_t deadline, char name[NAME_MAX + 1],
				struct hf_err *err)
{
	unsigned int tries = 0;
	enum hf_status status;

	hf_target_side(target, side, name);
	for (;;) {
		status = hf_stage_link(target, fd, name, err);
		if (status != HF_NO)
			return status;
		status = hf_publish_clear(target, name, deadline, &tries, err);
		if (status == HF_NO && fixed) {
			errno = EEXIST;
			return hf_fail_errno_as(err, HF_CANTCREAT, "cannot use '%s' beside '%s'",
						name, target->path);
		}
		if (status == HF_NO)
			hf_stage_name(target, name);
		else if (status != HF_OK)
			return status;
	}
}

enum hf_status hf_publish_name(const struct hf_target *target, int fd, const char *side, bool fixed,
			       int64_t deadline, char name[NAME_MAX + 1], struct hf_err *err)
{
	char wanted[NAME_MAX + 1];
	enum hf_status status;

	if (name[0] && !fixed)
		return HF_OK;
	if (name[0]) {
		hf_target_side(target, side, wanted);
		if (sys_renameat2(target->dir, name, target->dir, wanted, 0) < 0)
			return failed(target, err);
		strcpy(name, wanted);
		return HF_OK;
	}
	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		return failed(target, err);
	status = link_side(target, fd, side, fixed, deadline, name, err);
	if (status != HF_OK)
		name[0] = '\0';
	return status;
}

enum hf_status hf_publish_rename(const struct hf_target *target, const char *name,
				 struct hf_err *err)
{
	enum hf_status status;

	if (sys_renameat2(target->dir, name, target->dir, target->name, 0) == 0)
		return HF_OK;
	status = failed(target, err);
	if (errno == EBUSY)
		hf_advise(err, "something is mounted on it, and a mount point cannot be replaced");
	return status;
}

/* A named file, moved to a name that must be free. */
static enum hf_status move_free(const struct hf_target *target, const char *name,
				struct hf_err *err)
{
	int dir = target->dir;

	if (sys_renameat2(dir, name, dir, target->name, RENAME_NOREPLACE) == 0)
		return HF_OK;
	/* NFS and some FUSE do not know the flag */
	if ((errno == EINVAL || errno == ENOSYS) &&
	    sys_linkat(dir, name, dir, target->name, 0) == 0) {
		sys_unlinkat(dir, name, 0);
		return HF_OK;
	}
	return errno == EEXIST ? HF_NO : failed(target, err);
}

enum hf_status hf_publish_create(const struct hf_target *target, int fd, const char *name,
				 struct hf_err *err)
{
	char litter[NAME_MAX + 1];
	enum hf_status status;

	if (name[0])
		return move_free(target, name, err);
	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		return hf_fail_errno(err, "cannot create '%s'", target->path);
	status = hf_stage_link(target, fd, target->name, err);
	if (status != HF_OK)
		return status;
	/* left by one who died while there was a target to replace */
	hf_stage_reap(target, hf_target_side(target, "tmp", litter));
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
