/* SPDX-License-Identifier: ISC */
#include "turnstile.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "git_exclude.h"
#include "keepers.h"
#include "stage.h"
#include "sys.h"
#include "waitfor.h"

enum { MOST_TRIES = 16, NEW_MODE = 0644, SQLITE_RANK = 3, GIT_RANK = 4 };

static enum hf_status cannot(const char *what, const struct hf_target *at, struct hf_err *err)
{
	int errnum = errno;
	enum hf_status status =
		hf_fail_errno(err, "cannot %s turnstile '%s' of '%s'", what, at->name, at->path);

	if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
		hf_advise(err, "whoever writes there makes it or reads it, like SQLite's -wal or "
			       "Git's index.lock");
	return status;
}

/* N1. If the owner cannot be kept, the owner of what it belongs to is one of the others, and must
 * be able to open it. */
static bool dress(int fd, const struct stat *like)
{
	mode_t mode = like->st_mode & 0666;
	struct stat st;

	if (!like->st_mode)
		return true;
	if (sys_fstat(fd, &st) < 0)
		return false;
	if (st.st_gid != like->st_gid && sys_fchown(fd, (uid_t)-1, like->st_gid) < 0 &&
	    errno != EPERM)
		return false;
	if (st.st_uid != like->st_uid && sys_fchown(fd, like->st_uid, (gid_t)-1) < 0) {
		if (errno != EPERM)
			return false;
		if (!(mode & 0040))
			mode |= 0044;
	}
	return sys_fchmod(fd, mode) == 0;
}

/* N1. HF_OK: there is one now, ours or another's. */
static enum hf_status make(const struct hf_target *at, const struct stat *like, struct hf_err *err)
{
	char name[NAME_MAX + 1];
	enum hf_status status;
	int fd;

	hf_git_exclude(at->dir, at->name);
	if (hf_stage_open(at, like->st_mode ? 0600 : NEW_MODE, &fd, name, NULL) != HF_OK)
		return cannot("make", at, err);
	if (!dress(fd, like)) {
		status = cannot("make", at, err);
	} else if (name[0]) {
		status = HF_OK;
		if (sys_renameat2(at->dir, name, at->dir, at->name, RENAME_NOREPLACE) < 0 &&
		    errno != EEXIST &&
		    (errno != EINVAL ||
		     (sys_linkat(at->dir, name, at->dir, at->name, 0) < 0 && errno != EEXIST)))
			status = cannot("make", at, err);
		sys_unlinkat(at->dir, name, 0);
	} else {
		status = hf_stage_link(at, fd, at->name, NULL);
		if (status == HF_NO)
			status = HF_OK;
		else if (status != HF_OK)
			status = cannot("make", at, err);
	}
	sys_close(fd);
	return status;
}

static enum hf_status refuse(const struct hf_target *at, const char *type, struct hf_err *err)
{
	hf_fail(err, HF_DATA, "cannot use turnstile '%s' of '%s': it is %s", at->name, at->path,
		type);
	hf_advise(err, "remove it: somebody has put it where an empty file is expected");
	return HF_DATA;
}

/* N2. For writing where that is allowed, since NFS wants it for an exclusive lock. */
static int open_there(const struct hf_target *at)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;
	int fd;

	/* opening a device could set it to work */
	if (sys_fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = ELOOP;
		return -1;
	}
	fd = sys_openat(at->dir, at->name, O_RDWR | flags, 0);
	if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
		fd = sys_openat(at->dir, at->name, O_RDONLY | flags, 0);
	return fd;
}

enum hf_status hf_turnstile_open(struct hf_lock *lock, const struct hf_target *at,
				 const struct stat *like, struct hf_err *err)
{
	int fd = -1, high;

	for (int tries = 0; tries < MOST_TRIES && fd < 0; tries++) {
		fd = open_there(at);
		if (fd < 0 && errno == ELOOP)
			return refuse(at, "no regular file", err);
		if (fd < 0 && errno != ENOENT)
			return cannot("open", at, err);
		if (fd < 0 && make(at, like, err) != HF_OK)
			return err ? err->status : HF_OS;
	}
	if (fd < 0)
		return hf_fail(err, HF_BUSY,
			       "cannot lock '%s': its turnstile is removed all the time", at->path);
	high = hf_fd_high(fd);
	if (high < 0 || sys_fstat(high, &lock->st) < 0) {
		enum hf_status status = cannot("open", at, err);

		sys_close(high < 0 ? fd : high);
		return status;
	}
	lock->fd = high;
	if (S_ISREG(lock->st.st_mode))
		return HF_OK;
	hf_lock_close(lock);
	return refuse(at, "no regular file", err);
}

enum hf_status hf_turnstile_take(struct hf_lock *lock, const struct hf_target *at,
				 const struct hf_wait *wait, struct hf_err *err)
{
	enum hf_status status;
	struct stat st;

	if (lock->inherited >= 0) {
		hf_lock_close(lock);
		return HF_OK;
	}
	status = hf_lock_flock(lock, lock->fd, wait, err);
	if (lock->inherited >= 0)
		hf_lock_close(lock);
	if (status != HF_OK || lock->inherited >= 0)
		return status;
	if (sys_fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !hf_same_inode(&st, &lock->st))
		return HF_NO;
	return HF_OK;
}

void hf_turnstile_release(struct hf_lock *lock)
{
	int saved = errno;

	if (lock->fd >= 0 && !lock->lent)
		(void)!sys_flock(lock->fd, LOCK_UN);
	hf_lock_close(lock);
	errno = saved;
}

static bool ends_in(const char *path, const char *end)
{
	size_t size = strlen(path), n = strlen(end);

	return size >= n && strcmp(path + size - n, end) == 0;
}

/* The rank of what that descriptor is open on; 0: neither a turnstile nor a frozen index. */
static int rank_of(pid_t pid, int fd)
{
	char link[48], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
	n = sys_readlinkat(AT_FDCWD, link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (ends_in(path, HF_GIT_TURNSTILE) || ends_in(path, "/index.lock"))
		return GIT_RANK;
	return ends_in(path, HF_SQLITE_TURNSTILE) ? SQLITE_RANK : 0;
}

/* Of what pid holds. */
struct highest {
	pid_t pid;
	int rank;
};

static bool note_rank(void *context, int fd)
{
	struct highest *highest = context;
	int rank = rank_of(highest->pid, fd);

	if (rank > highest->rank)
		highest->rank = rank;
	return true;
}

static bool note_kept(void *context, int fd, const struct hf_lock_record *record)
{
	(void)record;
	return note_rank(context, fd);
}

int hf_turnstile_inherited(void)
{
	struct highest highest = {.pid = getpid()};

	hf_fd_inherited_each(note_rank, &highest);
	return highest.rank;
}

int hf_turnstile_kept(void)
{
	struct highest highest = {.rank = 0};
	struct hf_keepers keepers;

	hf_keepers_read_ours(&keepers);
	for (size_t i = 0; i < keepers.count; i++) {
		highest.pid = keepers.at[i].pid;
		if (hf_keeper_is_believed(&keepers.at[i]))
			hf_lock_held_by(highest.pid, note_kept, &highest);
	}
	hf_keepers_free(&keepers);
	return highest.rank;
}

enum hf_status hf_turnstile_refuse(const char *path, struct hf_err *err)
{
	hf_fail(err, HF_USAGE,
		"cannot wait for '%s': it is busy, and this command runs under the lock of a Git "
		"repository, before which it is to be taken",
		path);
	hf_advise(err, "take both by one lock-run (--sqlite DB --git DIR), or the database's "
		       "outside");
	return HF_USAGE;
}

enum hf_status hf_turnstile_forbid(const char *path, struct hf_err *err)
{
	return hf_turnstile_kept() > SQLITE_RANK ? hf_turnstile_refuse(path, err) : HF_OK;
}
