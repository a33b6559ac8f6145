/* SPDX-License-Identifier: ISC */
#include "atomic/target_lock.h"

#include <errno.h>
#include <fcntl.h>

#include "base/sys.h"

enum hf_status hf_target_open_old(const struct hf_target *target, bool writable, int *fd,
				  struct stat *st, struct hf_err *err)
{
	int flags = O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;
	bool exists;

	*fd = -1;
	/* check the kind first: opening some devices has effects */
	exists = sys_fstatat(target->dir, target->name, st, AT_SYMLINK_NOFOLLOW) == 0;
	if (exists && !S_ISREG(st->st_mode))
		return hf_fail(err, HF_DATA, "cannot use '%s': not a regular file", target->path);
	if (exists)
		*fd = sys_openat(target->dir, target->name, (writable ? O_RDWR : O_RDONLY) | flags,
				 0);
	if (exists && *fd < 0 && errno == EACCES && !writable) {
		*fd = sys_openat(target->dir, target->name, O_WRONLY | flags, 0);
		if (*fd < 0)
			errno = EACCES; /* not the error of the second attempt, EROFS or ETXTBSY */
	}
	if (*fd >= 0 && sys_fstat(*fd, st) == 0)
		return HF_OK;
	hf_close(*fd);
	*fd = -1;
	return hf_fail_errno_as(err, errno == ENOENT ? HF_NOINPUT : hf_status_of(errno),
				"cannot open '%s'", target->path);
}

enum hf_status hf_target_recheck(const struct hf_target *target, int fd, struct stat *st,
				 struct hf_err *err)
{
	struct stat now;

	/* again: its size and mode may have changed during the wait */
	if (sys_fstat(fd, st) == 0 &&
	    sys_fstatat(target->dir, target->name, &now, AT_SYMLINK_NOFOLLOW) == 0)
		return hf_same_inode(st, &now) ? HF_OK : HF_NO;
	return errno == ENOENT ? HF_NO
			       : hf_fail_errno(err, "cannot read the state of '%s'", target->path);
}

enum hf_status hf_target_wait(const struct hf_target *target, int fd, const struct hf_wait *wait,
			      struct hf_err *err)
{
	enum hf_status status = hf_lock_wait(fd, HF_LOCK_EXCLUSIVE, target->path, wait, err);

	if (status == HF_USAGE)
		hf_advise(err,
			  "lock '%s.lock' instead: a lock on a file that is replaced protects "
			  "nothing",
			  target->path);
	return status;
}

enum hf_status hf_target_lock(const struct hf_target *target, const struct hf_wait *wait, int *fd,
			      struct stat *st, struct hf_err *err)
{
	enum hf_status status;
	struct hf_err own;
	bool writable = false;

	if (!err)
		err = &own;
	do {
		status = hf_target_open_old(target, writable, fd, st, err);
		if (status != HF_OK)
			return status;
		status = hf_target_wait(target, *fd, wait, err);
		if (status == HF_OK)
			status = hf_target_recheck(target, *fd, st, err);
		if (status == HF_OK)
			return HF_OK;
		hf_close(*fd);
		*fd = -1;
		/* NFS makes it a record lock, which needs a writable descriptor */
		if (status != HF_NO && status != HF_USAGE && !writable && err->errnum == EBADF) {
			writable = true;
			status = HF_NO;
		}
	} while (status == HF_NO);
	return status;
}
