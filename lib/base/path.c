/* SPDX-License-Identifier: ISC */
#include <holdfast/path.h>

#include <bsd/stdlib.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/access.h"
#include "base/hash.h"
#include "base/sys.h"

#define SIDE_PREFIX ".holdfast."

enum { MAX_LINKS = 40 }; /* the kernel's MAXSYMLINKS */

/* Open `path`, relative to dir, as a directory; for reading if possible, so that it can be
 * synced. */
static int open_dir(int dir, const char *path, unsigned int flags)
{
	int fd = sys_openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	/* a directory that may be searched and written but not read cannot be synced */
	if (fd < 0 && errno == EACCES && (flags & HF_TARGET_NO_SYNC))
		fd = sys_openat(dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	return fd;
}

/* Make `name` in dir, open it, and sync its entry: a durable file in it needs that. */
static int make_dir(int dir, const char *name, unsigned int flags)
{
	if (sys_mkdirat(dir, name, 0777) < 0 && errno != EEXIST)
		return -1;
	if (!(flags & HF_TARGET_NO_SYNC) && sys_fsync(dir) < 0)
		return -1;
	return open_dir(dir, name, flags);
}

/* Open the directory `path` (modified and restored), and make what is missing. */
static int open_parents(int dir, char *path, unsigned int flags)
{
	int fd = open_dir(dir, path, flags), up;
	char *slash, *name;

	if (fd >= 0 || errno != ENOENT || !(flags & HF_TARGET_PARENTS))
		return fd;
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	if (!slash) {
		up = open_dir(dir, ".", flags);
	} else if (slash == path) {
		up = open_dir(dir, "/", flags);
	} else {
		*slash = '\0';
		up = open_parents(dir, path, flags);
		*slash = '/';
	}
	if (up < 0)
		return -1;
	fd = make_dir(up, name, flags);
	hf_close(up);
	return fd;
}

enum hf_status hf_path_empty(struct hf_err *err)
{
	hf_fail(err, HF_USAGE, "an empty path names no file");
	hf_advise(err, "check whether a variable is unset");
	return HF_USAGE;
}

/* Split `path` (modified) into target->dir, opened relative to `from`, and target->name. */
static enum hf_status enter_directory(struct hf_target *target, int from, char *path,
				      unsigned int flags, struct hf_err *err)
{
	char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		if (!*target->path)
			return hf_path_empty(err);
		return hf_fail(err, HF_DATA, "'%s' names a directory, not a file", target->path);
	}
	if (!(flags & HF_TARGET_ANY_NAME) && strncmp(name, SIDE_PREFIX, strlen(SIDE_PREFIX)) == 0)
		return hf_fail(err, HF_DATA,
			       "'%s' is a name that holdfast reserves for its own files",
			       target->path);
	if (strlen(name) > NAME_MAX) {
		errno = ENAMETOOLONG;
		return hf_fail_errno(err, "cannot use '%s'", target->path);
	}
	memmove(target->name, name, strlen(name) + 1);
	if (!slash) {
		target->dir = open_dir(from, ".", flags);
	} else {
		while (slash > path + 1 && slash[-1] == '/')
			slash--;
		slash[slash == path] = '\0';
		target->dir = open_parents(from, path, flags);
	}
	if (target->dir >= 0)
		return HF_OK;
	hf_fail_errno(err, "cannot open the directory of '%s'", target->path);
	if (errno == ENOENT && !(flags & HF_TARGET_PARENTS))
		hf_advise(err, "create the directory first%s",
			  flags & HF_TARGET_ANY_NAME ? "" : ", or use --parents");
	return err ? err->status : hf_status_of(errno);
}

/* The kernel's may_follow_link(): proc(5), /proc/sys/fs/protected_symlinks. */
static bool may_follow(const struct stat *dir, const struct stat *link)
{
	return (dir->st_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) ||
	       hf_same_user(link->st_uid, geteuid()) || hf_same_user(link->st_uid, dir->st_uid);
}

/* Read the link's owner and content from one inode: by name, another process could exchange the
 * link in between. */
static int read_same_link(const struct hf_target *target, char path[PATH_MAX], struct stat *link)
{
	int fd = sys_openat(target->dir, target->name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	if (sys_fstat(fd, link) == 0)
		n = sys_readlinkat(fd, "", path, PATH_MAX - 1);
	/* with an empty path, the error for anything but a link is ENOENT */
	hf_close(fd);
	if (n >= 0)
		path[n] = '\0';
	return n < 0 ? -1 : 0;
}

/* Read the target's entry into path if it is a link. HF_NO: it is not. */
static enum hf_status read_link(const struct hf_target *target, char path[PATH_MAX],
				struct hf_err *err)
{
	ssize_t n = sys_readlinkat(target->dir, target->name, path, PATH_MAX - 1);
	struct stat dir, link;

	/* usually the entry is not a link, and this one call is enough */
	if (n < 0 && (errno == EINVAL || errno == ENOENT))
		return HF_NO;
	if (n < 0)
		return hf_fail_errno(err, "cannot read '%s'", target->path);
	if (HF_WITHOUT(link_fd)) {
		path[n] = '\0';
		sys_fstatat(target->dir, target->name, &link, AT_SYMLINK_NOFOLLOW);
	} else if (read_same_link(target, path, &link) < 0) {
		if (errno == EINVAL || errno == ENOENT)
			return HF_NO;
		return hf_fail_errno(err, "cannot read '%s'", target->path);
	}
	if (sys_fstat(target->dir, &dir) < 0)
		return hf_fail_errno(err, "cannot read '%s'", target->path);
	if (may_follow(&dir, &link))
		return HF_OK;
	hf_fail(err, HF_NOPERM,
		"cannot follow '%s': a link of another user's in a sticky directory", target->path);
	hf_advise(err, "it may be a trap: name the file itself");
	return HF_NOPERM;
}

enum hf_status hf_target_open(struct hf_target *target, const char *path, unsigned int flags,
			      struct hf_err *err)
{
	char buffer[PATH_MAX];
	enum hf_status status;
	int from = AT_FDCWD;

	*target = (struct hf_target){.dir = -1, .path = path, .flags = flags};
	if (strlen(path) >= sizeof(buffer)) {
		errno = ENAMETOOLONG;
		return hf_fail_errno(err, "cannot use '%s'", path);
	}
	memcpy(buffer, path, strlen(path) + 1);
	for (int links = 0;; links++) {
		status = enter_directory(target, from, buffer, flags, err);
		if (from != AT_FDCWD)
			sys_close(from);
		if (status != HF_OK)
			return status;
		if (flags & HF_TARGET_NO_FOLLOW)
			return HF_OK;
		status = read_link(target, buffer, err);
		if (status == HF_NO)
			return HF_OK;
		if (status == HF_OK && links == MAX_LINKS) {
			errno = ELOOP;
			status = hf_fail_errno_as(err, HF_CANTCREAT, "cannot follow '%s'", path);
		}
		if (status != HF_OK) {
			hf_target_close(target);
			return status;
		}
		from = target->dir;
		target->dir = -1;
	}
}

void hf_target_close(struct hf_target *target)
{
	hf_close(target->dir);
	target->dir = -1;
}

enum hf_status hf_target_verify_path(const struct hf_target *target, struct hf_err *err)
{
	const unsigned int flags = (target->flags & ~HF_TARGET_PARENTS) | HF_TARGET_NO_SYNC;
	struct stat opened, now;
	struct hf_target again;
	enum hf_status status;
	struct hf_err own;

	if (!err)
		err = &own;
	status = hf_target_open(&again, target->path, flags, err);
	if (status != HF_OK)
		return err->errnum == ENOENT || err->errnum == ENOTDIR ? HF_NO : status;
	if (sys_fstat(target->dir, &opened) < 0 || sys_fstat(again.dir, &now) < 0)
		status = hf_fail_errno(err, "cannot read the state of the directory of '%s'",
				       target->path);
	else if (!hf_same_inode(&opened, &now) || strcmp(target->name, again.name) != 0)
		status = HF_NO;
	hf_target_close(&again);
	return status;
}

bool hf_target_removed(const struct hf_target *target, struct hf_err *err)
{
	int saved = errno;
	struct stat st;

	if (sys_fstat(target->dir, &st) == 0 && st.st_nlink == 0 && !HF_WITHOUT(removed_dir)) {
		hf_fail(err, HF_BUSY, "cannot change '%s': its directory was removed",
			target->path);
		hf_advise(err, "nothing was done: try again");
		return true;
	}
	errno = saved;
	return false;
}

char *hf_target_side(const struct hf_target *target, const char *what, char out[NAME_MAX + 1])
{
	static const char prefix[] = SIDE_PREFIX;
	size_t capacity = NAME_MAX - (sizeof(prefix) - 1) - 1 - strlen(what),
	       len = strlen(target->name);
	char mark[18] = "";
	char *end;

	if (len > capacity) {
		snprintf(mark, sizeof(mark), "~%016" PRIx64,
			 hf_hash_text(HF_HASH_START, target->name));
		len = capacity - strlen(mark);
	}
	end = stpcpy(out, prefix);
	end = mempcpy(end, target->name, len);
	end = stpcpy(end, mark);
	*end++ = '.';
	stpcpy(end, what);
	return out;
}

/* Set owner and mode. A group that cannot be kept is not an error, but then group and others keep
 * only the permissions that both had. */
static bool set_owner_and_mode(int fd, const struct stat *like)
{
	mode_t mode = like->st_mode & 07777;

	if (sys_fchown(fd, like->st_uid, like->st_gid) < 0 &&
	    sys_fchown(fd, (uid_t)-1, like->st_gid) < 0) {
		mode_t both = mode >> 3 & mode & 07;

		mode = (mode & (mode_t) ~(S_ISUID | S_ISGID | 077)) | both << 3 | both;
	}
	return sys_fchmod(fd, mode) == 0;
}

enum hf_status hf_shared_dir(int dir, const char *name, const struct stat *like)
{
	char new[NAME_MAX + 1];
	bool done = false;
	struct stat st;
	int fd, saved;

	if (sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return HF_OK;
	snprintf(new, sizeof(new), "%.200s.%d.%08x", name, (int)getpid(),
		 (unsigned int)arc4random());
	if (sys_mkdirat(dir, new, 0700) < 0)
		return HF_OS;
	fd = sys_openat(dir, new, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd >= 0 && set_owner_and_mode(fd, like)) {
		done = sys_renameat2(dir, new, dir, name, RENAME_NOREPLACE) == 0;
		/* NFS and FUSE cannot refuse to replace; one empty directory may replace another */
		if (!done && errno == EINVAL)
			done = sys_renameat2(dir, new, dir, name, 0) == 0;
	}
	saved = errno;
	hf_close(fd);
	if (!done)
		sys_unlinkat(dir, new, AT_REMOVEDIR);
	errno = saved;
	return done || errno == EEXIST || errno == ENOTEMPTY ? HF_OK : HF_OS;
}

bool hf_names_inode(int dir, const char *name, int fd)
{
	struct stat ours, named;

	return sys_fstat(fd, &ours) == 0 &&
	       sys_fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       hf_same_inode(&ours, &named);
}
