/* SPDX-License-Identifier: ISC */
#include "stage.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <string.h>

#include "proc.h"
#include "sys.h"

enum { MOST_TRIES = 100 };

void hf_stage_name(const struct hf_target *target, char name[NAME_MAX + 1])
{
	char what[16];

	snprintf(what, sizeof(what), "%08x.tmp", arc4random());
	hf_target_side(target, what, name);
}

/* A symbolic link is staged in a directory of its own, since only that can be locked. */
static int remove_name(int dir, const char *name, int fd, bool is_directory)
{
	if (!is_directory)
		return sys_unlinkat(dir, name, 0);
	if (sys_unlinkat(fd, "link", 0) < 0 && errno != ENOENT)
		return -1;
	return sys_unlinkat(dir, name, AT_REMOVEDIR);
}

enum hf_status hf_stage_reap(const struct hf_target *target, const char *name)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	enum hf_status status = HF_OK;
	int dir = target->dir, fd;
	struct stat st;

	if (sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? HF_OK : hf_status_of(errno);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return HF_NOPERM;
	/* an exclusive lock over NFS wants a descriptor that can be written */
	fd = sys_openat(dir, name, O_RDWR | flags, 0);
	if (fd < 0 && (errno == EISDIR || errno == EACCES))
		fd = sys_openat(dir, name, O_RDONLY | flags, 0);
	if (fd < 0)
		return errno == ENOENT ? HF_OK : hf_status_of(errno);
	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		status = errno == EWOULDBLOCK ? HF_BUSY : HF_NOPERM;
	else if (!hf_stands_for(dir, name, fd))
		status = HF_BUSY; /* it has changed hands: look again */
	else if (remove_name(dir, name, fd, S_ISDIR(st.st_mode)) < 0 && errno != ENOENT)
		status = hf_status_of(errno);
	sys_close(fd);
	return status;
}

/* Is entry what hf_stage_name() could have made for this target? */
static bool is_ours(const struct hf_target *target, const char *entry)
{
	char pattern[NAME_MAX + 1];
	size_t prefix = strlen(hf_target_side(target, "00000000.tmp", pattern)) - 12;

	return strlen(entry) == prefix + 12 && memcmp(entry, pattern, prefix) == 0 &&
	       strspn(entry + prefix, "0123456789abcdef") == 8 &&
	       strcmp(entry + prefix + 8, ".tmp") == 0;
}

DIR *hf_stage_list(const struct hf_target *target)
{
	int fd = sys_openat(target->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		sys_close(fd);
	return dir;
}

static void reap_named(const struct hf_target *target)
{
	DIR *dir = hf_stage_list(target);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (is_ours(target, entry->d_name))
			hf_stage_reap(target, entry->d_name);
	closedir(dir);
}

static enum hf_status open_named(const struct hf_target *target, mode_t mode, int *fd,
				 char name[NAME_MAX + 1], struct hf_err *err)
{
	reap_named(target);
	for (int tries = 0; tries < MOST_TRIES; tries++) {
		hf_stage_name(target, name);
		*fd = sys_openat(target->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (*fd < 0 && errno == EEXIST)
			continue;
		if (*fd < 0)
			break;
		/* ENOLCK, EOPNOTSUPP: no locks here, and nobody can take it for litter */
		if (sys_flock(*fd, LOCK_EX | LOCK_NB) < 0 ? errno != EWOULDBLOCK
							  : hf_stands_for(target->dir, name, *fd))
			return HF_OK;
		/* somebody took it for litter in the instant before it was locked */
		sys_unlinkat(target->dir, name, 0);
		sys_close(*fd);
		*fd = -1;
		errno = EBUSY;
	}
	name[0] = '\0';
	return hf_fail_errno(err, "cannot make a file beside '%s'", target->path);
}

enum hf_status hf_stage_open(const struct hf_target *target, mode_t mode, int *fd,
			     char name[NAME_MAX + 1], struct hf_err *err)
{
	name[0] = '\0';
	*fd = sys_openat(target->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (*fd >= 0)
		return HF_OK;
	/* EISDIR, EINVAL: a kernel or file system that does not know it and says so otherwise */
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
		return open_named(target, mode, fd, name, err);
	return hf_fail_errno(err, "cannot make a file beside '%s'", target->path);
}

enum hf_status hf_stage_link(const struct hf_target *target, int fd, const char *name,
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
	if (errno == ENOENT && !hf_proc_mounted()) {
		hf_fail(err, HF_UNAVAILABLE, "cannot replace '%s': /proc is not mounted",
			target->path);
		hf_advise(err, "this kernel gives a new file its name only by way of /proc");
		return HF_UNAVAILABLE;
	}
	return hf_fail_errno(err, "cannot replace '%s'", target->path);
}
