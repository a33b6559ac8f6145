/* SPDX-License-Identifier: ISC */
#include "base/tempfile.h"

#include <errno.h>
#include <paths.h>
#include <stdlib.h>
#include <string.h>

#include "base/side_file.h"
#include "base/sys.h"
#include <holdfast/proc.h>

enum { MAX_TRIES = 100 };

/* A symbolic link is made in a directory of its own, since only a directory can be locked. */
static int remove_name(int dir, const char *name, int fd, bool is_directory)
{
	if (!is_directory)
		return sys_unlinkat(dir, name, 0);
	if (sys_unlinkat(fd, "link", 0) < 0 && errno != ENOENT)
		return -1;
	return sys_unlinkat(dir, name, AT_REMOVEDIR);
}

enum hf_status hf_tempfile_reap(const struct hf_target *target, const char *name)
{
	enum hf_status status = HF_OK;
	int dir = target->dir, fd;
	struct hf_trust trust;
	struct stat st;

	hf_trust_init(&trust, target, HF_TRUST_NAMED);
	/* NFS needs a descriptor open for writing for an exclusive lock */
	status = hf_side_open_leftover(&trust, name, &fd, &st, NULL);
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		status = errno == EWOULDBLOCK ? HF_BUSY : HF_NOPERM;
	else if (!hf_names_inode(dir, name, fd))
		status = HF_BUSY; /* another file has the name now: check again */
	else if (remove_name(dir, name, fd, S_ISDIR(st.st_mode)) < 0 && errno != ENOENT)
		status = hf_status_of(errno);
	sys_close(fd);
	return status;
}

void hf_tempfile_reap_all(const struct hf_target *target, const char *what)
{
	DIR *dir = hf_side_list(target);
	struct hf_trust trust;
	const char *name;

	hf_trust_init(&trust, target, HF_TRUST_NAMED);
	while (dir && (name = hf_side_next(dir, &trust, what)))
		hf_tempfile_reap(target, name);
	if (dir)
		closedir(dir);
}

static enum hf_status fail_make(const struct hf_target *target, struct hf_err *err)
{
	if (hf_target_removed(target, err))
		return HF_BUSY;
	return hf_fail_errno(err, "cannot make a file beside '%s'", target->path);
}

static enum hf_status open_named(const struct hf_target *target, mode_t mode, int *fd,
				 char name[NAME_MAX + 1], struct hf_err *err)
{
	hf_tempfile_reap_all(target, "tmp");
	for (int tries = 0; tries < MAX_TRIES; tries++) {
		hf_side_name(target, "tmp", hf_side_number(), name);
		*fd = sys_openat(target->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (*fd < 0 && errno == EEXIST)
			continue;
		if (*fd < 0)
			break;
		/* ENOLCK, EOPNOTSUPP: no locks here, so no process takes it for a leftover */
		if (sys_flock(*fd, LOCK_EX | LOCK_NB) < 0 ? errno != EWOULDBLOCK
							  : hf_names_inode(target->dir, name, *fd))
			return HF_OK;
		/* another process took it for a leftover before it was locked */
		sys_unlinkat(target->dir, name, 0);
		sys_close(*fd);
		*fd = -1;
		errno = EBUSY;
	}
	name[0] = '\0';
	return fail_make(target, err);
}

enum hf_status hf_tempfile_open(const struct hf_target *target, mode_t mode, int *fd,
				char name[NAME_MAX + 1], struct hf_err *err)
{
	name[0] = '\0';
	*fd = sys_openat(target->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (*fd >= 0)
		return HF_OK;
	/* EISDIR, EINVAL: a kernel or file system that does not know it and says so otherwise */
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
		return open_named(target, mode, fd, name, err);
	return fail_make(target, err);
}

void hf_tempfile_discard(const struct hf_target *target, int fd, const char *name)
{
	int saved = errno;

	if (name[0])
		sys_unlinkat(target->dir, name, 0);
	sys_close(fd);
	errno = saved;
}

enum hf_status hf_fail_replace(const struct hf_target *target, struct hf_err *err)
{
	if (hf_target_removed(target, err))
		return HF_BUSY;
	return hf_fail_errno(err, "cannot replace '%s'", target->path);
}

enum hf_status hf_tempfile_link(const struct hf_target *target, int fd, const char *name,
				struct hf_err *err)
{
	char path[32];

	if (sys_linkat(fd, "", target->dir, name, AT_EMPTY_PATH) == 0)
		return HF_OK;
	if (errno == ENOENT || errno == EPERM || errno == EINVAL) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (sys_linkat(AT_FDCWD, path, target->dir, name, AT_SYMLINK_FOLLOW) == 0)
			return HF_OK;
	}
	if (errno == EEXIST)
		return HF_NO;
	if (errno != ENOENT || hf_proc_mounted())
		return hf_fail_replace(target, err);
	hf_fail(err, HF_UNAVAILABLE, "cannot replace '%s': /proc is not mounted", target->path);
	hf_advise(err, "mount it: this kernel links a new file only through /proc");
	return HF_UNAVAILABLE;
}

enum hf_status hf_tempfile_name(const struct hf_target *target, int fd, const char *from,
				const char *to, struct hf_err *err)
{
	int dir = target->dir;

	if (!from[0])
		return hf_tempfile_link(target, fd, to, err);
	if (sys_renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return HF_OK;
	/* NFS and some FUSE do not know the flag */
	if ((errno == EINVAL || errno == ENOSYS) && sys_linkat(dir, from, dir, to, 0) == 0) {
		sys_unlinkat(dir, from, 0);
		return HF_OK;
	}
	return errno == EEXIST ? HF_NO : hf_fail_replace(target, err);
}

int hf_tempfile_unnamed(void)
{
	const char *dir = getenv("TMPDIR");

	return sys_openat(AT_FDCWD, dir && *dir ? dir : _PATH_TMP, O_TMPFILE | O_RDWR | O_CLOEXEC,
			  0600);
}
