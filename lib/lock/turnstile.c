/* SPDX-License-Identifier: ISC */
#include "lock/turnstile.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/side_file.h"
#include "base/sys.h"
#include "base/tempfile.h"
#include "gitlock/git_exclude.h"
#include "keeper/keeper_list.h"
#include "probe/proc_locks.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>

#define ACL "system.posix_acl_access"

enum { MAX_TRIES = 16, NEW_MODE = 0644, SQLITE_RANK = 3, GIT_RANK = 4 };

static enum hf_status fail_turnstile(const char *what, const struct hf_target *at,
				     struct hf_err *err)
{
	int errnum = errno;
	enum hf_status status =
		hf_fail_errno(err, "cannot %s turnstile '%s' of '%s'", what, at->name, at->path);

	if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
		hf_advise(err, "every user who writes there must be able to make it or read it, "
			       "as with SQLite's -wal and Git's index.lock");
	return status;
}

/* linux/posix_acl_xattr.h, in the order in which an ACL must be. */
enum { ACL_VERSION = 2 };
enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 16, OTHER = 32 };
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} at[HF_ACCESS_ENTRIES + 6];
};

static void put(struct acl *acl, size_t *count, int tag, unsigned int perm, uint32_t id)
{
	acl->at[*count].tag = htole16((uint16_t)tag);
	acl->at[*count].perm = htole16((uint16_t)perm);
	acl->at[(*count)++].id = htole32(id);
}

/* Set an ACL that permits what `of` permits, for a file with the owner and group of st. */
static bool put_acl(int fd, const struct stat *st, const struct hf_access *of)
{
	struct acl acl = {.version = htole32(ACL_VERSION)};
	unsigned int mask = 0, group = 0;
	size_t count = 0;

	put(&acl, &count, USER_OBJ, R_OK | W_OK, UINT32_MAX);
	if (of->st.st_uid != st->st_uid)
		put(&acl, &count, USER, mask = R_OK | W_OK, of->st.st_uid);
	for (size_t i = 0; i < of->count; i++) {
		if (!of->entries[i].is_group)
			put(&acl, &count, USER, of->entries[i].perm, of->entries[i].id);
		else if (of->entries[i].id == st->st_gid)
			group |= of->entries[i].perm;
		mask |= of->entries[i].perm;
	}
	put(&acl, &count, GROUP_OBJ, group, UINT32_MAX);
	for (size_t i = 0; i < of->count; i++)
		if (of->entries[i].is_group && of->entries[i].id != st->st_gid)
			put(&acl, &count, GROUP, of->entries[i].perm, of->entries[i].id);
	put(&acl, &count, MASK, mask, UINT32_MAX);
	put(&acl, &count, OTHER, of->other, UINT32_MAX);
	return sys_fsetxattr(fd, ACL, &acl, offsetof(struct acl, at) + count * sizeof(acl.at[0]),
			     0) == 0;
}

/* Set owner, group and mode (lock/N1). An owner or group that cannot be set is named in an ACL.
 * Without ACLs the group loses its bits: they would be another group's, or were a mask. */
static bool set_owner_and_mode(int fd, int like)
{
	struct hf_access of;
	struct stat st;
	mode_t mode;
	bool plain;

	if (like < 0)
		return true;
	if (sys_fstat(fd, &st) < 0 || hf_access_read(&of, like, "", NULL) != HF_OK)
		return false;
	mode = of.st.st_mode & 0666;
	if (st.st_gid != of.st.st_gid && sys_fchown(fd, (uid_t)-1, of.st.st_gid) < 0 &&
	    errno != EPERM && errno != EINVAL)
		return false;
	if (st.st_uid != of.st.st_uid && sys_fchown(fd, of.st.st_uid, (gid_t)-1) < 0 &&
	    errno != EPERM && errno != EINVAL)
		return false;
	if (sys_fstat(fd, &st) < 0)
		return false;
	plain = of.count == 1 && st.st_uid == of.st.st_uid && st.st_gid == of.st.st_gid;
	if (!plain && put_acl(fd, &st, &of))
		return true;
	(void)!sys_fremovexattr(fd, ACL); /* the directory's default */
	if (st.st_gid != of.st.st_gid || of.count > 1)
		mode &= (mode_t)~0060;
	return sys_fchmod(fd, mode) == 0;
}

/* Return false if the caller may not write to the database (lock/N1). Other errors are left to the
 * calls that follow. */
static bool may_make(int like)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", like);
	return like < 0 || HF_WITHOUT(turnstile) ||
	       faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 || errno != EACCES;
}

/* Create the turnstile (lock/N1). HF_OK: one exists now, ours or another process's. */
static enum hf_status create_turnstile(const struct hf_target *at, int like, struct hf_err *err)
{
	char name[NAME_MAX + 1];
	enum hf_status status;
	int fd;

	if (!may_make(like))
		return hf_fail(err, HF_NOPERM, "cannot write to '%s': it is read only", at->path);
	hf_git_exclude(at->dir, at->name);
	if (hf_tempfile_open(at, like >= 0 ? 0600 : NEW_MODE, &fd, name, NULL) != HF_OK)
		return fail_turnstile("make", at, err);
	status = set_owner_and_mode(fd, like) ? hf_tempfile_name(at, fd, name, at->name, NULL)
					      : HF_OS;
	status = status == HF_OK || status == HF_NO ? HF_OK : fail_turnstile("make", at, err);
	hf_tempfile_discard(at, fd, name);
	return status;
}

/* ---- may it be used? (lock/N2) --------------------------------------------------------------- */

/* For an absent database: return true if the file's owner may create files in the directory, and
 * not every user may. */
static bool may_make_database(struct hf_trust *trust, const struct stat *st)
{
	if (trust->fd >= 0)
		return false;
	(void)hf_trusts_directory(trust); /* reads it */
	return !(trust->dir.other & W_OK) &&
	       hf_access_permits(&trust->dir, st->st_uid, W_OK) == HF_MEMBER_YES;
}

/* Check that the file may be used (lock/N2). HF_NO: it may not; err has the reason. */
static enum hf_status check_usable(struct hf_trust *trust, const struct stat *st,
				   struct hf_err *err)
{
	const struct hf_target *at = trust->target;
	bool trusted =
		HF_WITHOUT(turnstile) || hf_trusts(trust, st) || may_make_database(trust, st);
	const char *why = !S_ISREG(st->st_mode) ? "it is not a regular file"
			  : !trusted		? "that user may not write there"
			  : st->st_nlink > 1	? "it has other names"
						: NULL;
	char owner[HF_USER_SIZE];

	if (!why || (trusted && S_ISREG(st->st_mode) && HF_WITHOUT(turnstile)))
		return HF_OK;
	hf_fail(err, trusted ? HF_DATA : HF_NOPERM,
		"cannot use turnstile '%s' of '%s', which belongs to %s: %s", at->name, at->path,
		hf_user_name(owner, st->st_uid), why);
	if (trusted)
		hf_advise(err, "remove it: an empty file is expected there");
	else
		hf_advise(err,
			  "remove it, or move the database or repository into a directory in which "
			  "only its users can make files");
	return HF_NO;
}

bool hf_turnstile_is_unusable(const struct hf_target *at, int like)
{
	struct hf_trust trust;
	struct stat st;

	hf_trust_init(&trust, at, like);
	if (sys_fstatat(at->dir, at->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT;
	return check_usable(&trust, &st, NULL) != HF_OK;
}

/* Open it, with checks (lock/N2), into lock->fd and lock->st. HF_NO: it may not be used.
 * HF_NOINPUT: it is absent. For writing if allowed, since NFS needs that for an exclusive lock. */
static enum hf_status open_existing(struct hf_lock *lock, struct hf_trust *trust,
				    struct hf_err *err)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	const struct hf_target *at = trust->target;
	struct stat *st = &lock->st;
	enum hf_status status;
	int fd;

	/* opening a device can have side effects */
	if (sys_fstatat(at->dir, at->name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? HF_NOINPUT : fail_turnstile("open", at, err);
	status = check_usable(trust, st, err);
	if (status != HF_OK)
		return status;
	fd = sys_openat(at->dir, at->name, O_RDWR | flags, 0);
	if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
		fd = sys_openat(at->dir, at->name, O_RDONLY | flags, 0);
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? HF_NOINPUT
							 : fail_turnstile("open", at, err);
	lock->fd = hf_fd_high(fd);
	if (lock->fd < 0) {
		status = fail_turnstile("open", at, err);
		sys_close(fd);
		return status;
	}
	status = sys_fstat(lock->fd, st) < 0 ? fail_turnstile("open", at, err)
					     : check_usable(trust, st, err);
	if (status != HF_OK)
		hf_lock_close(lock);
	return status;
}

/* Set the mode again if the database's has changed (lock/N1). A failure does not matter to the
 * caller. */
static void follow_mode(const struct hf_lock *lock, int like)
{
	uid_t self = geteuid();
	struct stat of;

	if (like >= 0 && sys_fstat(like, &of) == 0 && ((of.st_mode ^ lock->st.st_mode) & 0666) &&
	    (self == 0 || hf_same_user(lock->st.st_uid, self)) && !HF_WITHOUT(turnstile_mode))
		(void)!set_owner_and_mode(lock->fd, like);
}

enum hf_status hf_turnstile_find(struct hf_lock *lock, const struct hf_target *at, int like,
				 struct hf_err *err)
{
	enum hf_status status;
	struct hf_trust trust;

	hf_trust_init(&trust, at, like);
	status = open_existing(lock, &trust, err);
	if (status == HF_OK)
		follow_mode(lock, like);
	return status;
}

void hf_turnstile_ignored(const struct hf_err *err)
{
	/* a wait opens the turnstile repeatedly */
	static _Thread_local char last[sizeof(err->message)];

	if (strcmp(last, err->message) == 0)
		return;
	strcpy(last, err->message);
	hf_notice("going on without a turnstile: %s", last);
}

enum hf_status hf_turnstile_open(struct hf_lock *lock, const struct hf_target *at, int like,
				 struct hf_err *err)
{
	enum hf_status status;

	for (int tries = 0; tries < MAX_TRIES; tries++) {
		status = hf_turnstile_find(lock, at, like, err);
		if (status != HF_NOINPUT)
			return status;
		status = create_turnstile(at, like, err);
		if (status != HF_OK)
			return status;
	}
	return hf_fail(err, HF_BUSY, "cannot lock '%s': its turnstile is removed all the time",
		       at->path);
}

/* ---- the order of ranks --------------------------------------------------------------------- */

static bool ends_in(const char *path, const char *end)
{
	size_t size = strlen(path), n = strlen(end);

	return size >= n && strcmp(path + size - n, end) == 0;
}

/* Return the rank of the file that a descriptor is open on; 0 for anything but a turnstile or
 * frozen index. */
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

/* The highest rank among the locks of pid. */
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

static bool note_kept(void *context, int fd, const struct hf_lock_entry *record)
{
	(void)record;
	return note_rank(context, fd);
}

/* Return the highest rank (holdfast/lock.h) of a turnstile or frozen index that this process has
 * inherited, as far as /proc proves it; 0: none. */
static int inherited_rank(void)
{
	struct highest highest = {.pid = getpid()};

	hf_fd_inherited_each(note_rank, &highest);
	return highest.rank;
}

/* The same for one that a keeper holds for an ancestor, as far as /proc shows it. Reads all sockets
 * (keeper/keeper_list.h). */
static int kept_rank(void)
{
	struct highest highest = {.rank = 0};
	struct hf_keepers keepers;

	hf_keepers_read_ours(&keepers);
	for (size_t i = 0; i < keepers.count; i++) {
		highest.pid = keepers.at[i].pid;
		if (hf_keeper_is_believed(&keepers.at[i]))
			hf_lock_held_by(highest.pid, HF_FLOCK_ONLY, note_kept, &highest);
	}
	hf_keepers_free(&keepers);
	return highest.rank;
}

/* Refuse to wait for the database `path` under a lock of a higher rank. */
static enum hf_status refuse_wait(const char *path, struct hf_err *err)
{
	hf_fail(err, HF_USAGE,
		"cannot wait for '%s': it is busy, and this command runs under the lock of a Git "
		"repository, which must be taken after it",
		path);
	hf_advise(err, "take both by one lock-run (--sqlite DB --git DIR), or the database's lock "
		       "outside");
	return HF_USAGE;
}

enum hf_status hf_turnstile_check_order(const char *path, bool asks_keepers, struct hf_err *err)
{
	if (inherited_rank() <= SQLITE_RANK && (!asks_keepers || kept_rank() <= SQLITE_RANK))
		return HF_OK;
	return refuse_wait(path, err);
}

/* For struct hf_wait, 25 ms into the wait. */
static enum hf_status forbid_wait(const char *path, struct hf_err *err)
{
	return hf_turnstile_check_order(path, true, err);
}

enum hf_status hf_turnstile_may_wait(const struct hf_lock *lock, struct hf_err *err)
{
	return lock->inherited >= 0 ? HF_OK : hf_turnstile_check_order(lock->path, true, err);
}

/* ---- take and release ----------------------------------------------------------------------- */

enum hf_status hf_turnstile_take(struct hf_lock *lock, const struct hf_wait *wait,
				 struct hf_err *err)
{
	const struct hf_target *at = lock->kind_data;
	struct hf_wait ours = *wait;
	bool is_inverted = false;
	enum hf_status status;
	struct stat st;

	if (lock->fd < 0) /* goes on without it (lock/N6) */
		return HF_OK;
	if (lock->ops->rank < GIT_RANK && lock->inherited < 0) {
		ours.forbid = forbid_wait;
		is_inverted =
			hf_time_left(wait->deadline) > 0 && inherited_rank() > lock->ops->rank;
	}
	if (is_inverted)
		ours.deadline = HF_NOWAIT;
	status = hf_lock_take_flock(lock, &ours, err);
	if (status == HF_BUSY && is_inverted)
		return refuse_wait(lock->path, err);
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
