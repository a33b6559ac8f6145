/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_file.h>

#include <errno.h>

#include "base/sys.h"
#include "lock/lock_kind.h"
#include <holdfast/path.h>

static enum hf_status open_file_lock(struct hf_lock *lock, struct hf_err *err)
{
	return hf_lock_open(lock, O_RDONLY, err);
}

/* NFS: an exclusive lock needs a file open for writing. The inode may be another one now, so the
 * later recheck compares with this one. */
static enum hf_status reopen_for_writing(struct hf_lock *lock, struct hf_err *err)
{
	struct stat before = lock->st;
	enum hf_status status;

	hf_lock_close(lock);
	status = hf_lock_open(lock, O_RDWR, err);
	if (status == HF_OK && !hf_same_inode(&before, &lock->st))
		return HF_NO;
	return status;
}

static enum hf_status take_file(struct hf_lock *lock, const struct hf_wait *wait,
				struct hf_err *err)
{
	struct hf_err first;
	enum hf_status status;

	status = hf_lock_take_flock(lock, wait, &first);
	if (lock->inherited >= 0)
		return HF_OK;
	if (status != HF_OK && lock->mode == HF_LOCK_EXCLUSIVE && S_ISREG(lock->st.st_mode) &&
	    (first.errnum == EBADF || first.errnum == EIO)) {
		status = reopen_for_writing(lock, NULL);
		if (status == HF_NO)
			return status;
		if (status == HF_OK)
			status = hf_lock_wait(lock->fd, lock->mode, lock->path, wait, &first);
		else
			status = first.status;
	}
	if (status != HF_OK) {
		if (err)
			*err = first;
		return status;
	}
	return hf_lock_recheck(lock);
}

const struct hf_lock_ops hf_lock_file = {
	.name = "file",
	.rank = 1,
	.inherits = true,
	.open = open_file_lock,
	.take = take_file,
	.release = hf_lock_close,
};

/* Lock the file by both interfaces, as a whole and in part. Return false if another process holds
 * it. */
static bool lock_both_ways(int fd)
{
	struct flock all = {.l_type = F_WRLCK};

	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		return false;
	if (sys_fcntl_lock(fd, F_OFD_SETLK, &all) == 0)
		return true;
	if (errno == EBADF) /* not open for writing: it can only be tested */
		return sys_fcntl_lock(fd, F_OFD_GETLK, &all) == 0 && all.l_type == F_UNLCK;
	return errno != EAGAIN && errno != EACCES; /* such locks are not supported here */
}

/* Remove the file while it is locked, if the name still leads to it. */
static enum hf_status remove_locked(const struct hf_target *target, int fd, struct hf_err *err)
{
	if (!lock_both_ways(fd) || !hf_names_inode(target->dir, target->name, fd))
		return HF_NO;
	if (sys_unlinkat(target->dir, target->name, 0) < 0)
		return hf_fail_errno(err, "cannot remove lock file '%s'", target->path);
	return HF_OK;
}

static int open_to_remove(const struct hf_target *target)
{
	const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd = sys_openat(target->dir, target->name, O_RDWR | flags, 0);

	return fd < 0 ? sys_openat(target->dir, target->name, O_RDONLY | flags, 0) : fd;
}

enum hf_status hf_lock_file_remove(const char *path, struct hf_err *err)
{
	struct hf_target target;
	struct stat st;
	enum hf_status status =
		hf_target_open(&target, path, HF_TARGET_NO_SYNC | HF_TARGET_ANY_NAME, err);
	int fd;

	if (status != HF_OK)
		return status;
	if (sys_fstatat(target.dir, target.name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		status = HF_OK; /* removed by another process */
	} else if (!S_ISREG(st.st_mode)) {
		status = hf_fail(err, HF_DATA, "cannot remove '%s': not a regular file", path);
	} else if ((fd = open_to_remove(&target)) < 0) {
		status = errno == ENOENT ? HF_OK
					 : hf_fail_errno(err, "cannot remove lock file '%s'", path);
	} else {
		status = remove_locked(&target, fd, err);
		sys_close(fd);
	}
	hf_target_close(&target);
	return status;
}
