/* SPDX-License-Identifier: ISC */
#include "lock/dotlock_file.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/side_file.h"
#include "base/sys.h"
#include "base/tempfile.h"
#include "probe/proc_locks.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>

enum { MODE = 0644, MAX_TRIES = 10 };

static enum hf_status fail_not_regular(const struct hf_target *target, const struct stat *st,
				       struct hf_err *err)
{
	const char *type = S_ISLNK(st->st_mode)	  ? "a symbolic link"
			   : S_ISDIR(st->st_mode) ? "a directory"
						  : "not a regular file";

	hf_fail(err, HF_DATA, "cannot use '%s' as a dotlock: it is %s", target->path, type);
	hf_advise(err, "name another path: a dotlock is a file that is created by taking the lock");
	return HF_DATA;
}

enum hf_status hf_dot_look(const struct hf_target *target, int *fd, struct stat *st,
			   struct hf_err *err)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

	*fd = -1;
	/* opening a device can have side effects */
	if (sys_fstatat(target->dir, target->name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? HF_NO
				       : hf_fail_errno(err, "cannot read the state of dotlock '%s'",
						       target->path);
	if (!S_ISREG(st->st_mode))
		return fail_not_regular(target, st, err);
	*fd = sys_openat(target->dir, target->name, flags, 0);
	if (*fd < 0) {
		if (errno == ENOENT)
			return HF_NO;
		if (errno == ELOOP)
			return fail_not_regular(target, &(struct stat){.st_mode = S_IFLNK}, err);
		return hf_fail_errno(err, "cannot read dotlock '%s'", target->path);
	}
	if (sys_fstat(*fd, st) == 0 && S_ISREG(st->st_mode))
		return HF_OK;
	sys_close(*fd);
	*fd = -1;
	return fail_not_regular(target, st, err);
}

static enum hf_status cannot_make(const struct hf_target *target, struct hf_err *err)
{
	hf_fail_errno(err, "cannot make dotlock '%s'", target->path);
	if (errno == EACCES || errno == EPERM || errno == EROFS)
		hf_advise(err, "make its directory writable: the dotlock is created in it");
	return hf_status_of(errno);
}

/* Write the owner information as of now, and a time of now on the file, or of the second before. */
static enum hf_status write_record(const struct hf_target *target, struct hf_dot_new *new,
				   struct hf_err *err)
{
	char text[HF_LOCK_OWNER_MAX];
	size_t size;
	ssize_t n;

	if (new->written && hf_now() < new->written + HF_SECOND)
		return HF_OK;
	new->record.taken = time(NULL);
	size = hf_lock_owner_format(&new->record, text);
	do
		n = sys_pwrite(new->fd, text, size, 0);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)size) {
		new->written = hf_now();
		return HF_OK;
	}
	if (n >= 0)
		errno = ENOSPC;
	return cannot_make(target, err);
}

enum hf_status hf_dot_stage(const struct hf_target *target, struct hf_dot_new *new,
			    struct hf_err *err)
{
	char mark[HF_BOOT_SIZE + HOST_NAME_MAX + 2];
	enum hf_status status;
	int high;

	if (new->fd >= 0)
		return HF_OK;
	new->written = 0;
	status = hf_tempfile_open(target, MODE, &new->fd, new->name, err);
	if (status != HF_OK)
		return cannot_make(target, err);
	high = hf_fd_high(new->fd);
	if (high >= 0)
		new->fd = high;
	/* every waiter must be able to read it, whatever the umask is */
	if (high < 0 || sys_fchmod(new->fd, MODE) < 0) {
		status = cannot_make(target, err);
		hf_dot_discard(target, new);
		return status;
	}
	hf_lock_owner_make(&new->record);
	if (new->purpose)
		snprintf(new->record.purpose, sizeof(new->record.purpose), "%s", new->purpose);
	if (new->record.owner.boot[0]) {
		int n = snprintf(mark, sizeof(mark), "%s %s", new->record.owner.boot,
				 new->record.owner.host);

		/* a file system without extended attributes is no worse off */
		(void)!sys_fsetxattr(new->fd, HF_DOT_XATTR, mark, (size_t)n, 0);
	}
	status = write_record(target, new, err);
	if (status == HF_OK && !new->name[0] && sys_flock(new->fd, LOCK_EX | LOCK_NB) < 0)
		status = cannot_make(target, err);
	if (status != HF_OK)
		hf_dot_discard(target, new);
	return status;
}

/* Prepare the new file and link it to `name`. HF_NO: the name exists. */
static enum hf_status link_new(const struct hf_target *target, struct hf_dot_new *new,
			       const char *name, struct hf_err *err)
{
	enum hf_status status = hf_dot_stage(target, new, err);

	if (status == HF_OK)
		status = write_record(target, new, err);
	if (status != HF_OK)
		return status;
	/* a file with a temporary name may be on a file system without hard links (FAT) */
	if (new->name[0] &&
	    sys_renameat2(target->dir, new->name, target->dir, name, RENAME_NOREPLACE) == 0) {
		new->name[0] = '\0';
		return HF_OK;
	}
	status = hf_tempfile_link(target, new->fd, name, err);
	if (status != HF_OK && status != HF_NO && status != HF_UNAVAILABLE)
		return cannot_make(target, err);
	return status;
}

/* The new file is in place: remove its temporary name. */
static void finish_link(const struct hf_target *target, struct hf_dot_new *new, int *fd)
{
	if (new->name[0])
		sys_unlinkat(target->dir, new->name, 0);
	*fd = new->fd;
	new->fd = -1;
}

enum hf_status hf_dot_link(const struct hf_target *target, struct hf_dot_new *new, int *fd,
			   struct hf_err *err)
{
	enum hf_status status = link_new(target, new, target->name, err);

	if (status == HF_OK)
		finish_link(target, new, fd);
	return status;
}

/* Exchange PATH for the new file, which is linked to `side` (lock/D4). HF_NO: PATH was not `old`,
 * and is unchanged. */
static enum hf_status exchange_path(const struct hf_target *target, const char *side, int new,
				    int old)
{
	int dir = target->dir;

	/* a process that does not lock may have removed it, and another one made a new lock */
	if (!hf_names_inode(dir, target->name, old))
		return HF_NO;
	if (sys_renameat2(dir, side, dir, target->name, RENAME_EXCHANGE) < 0)
		return errno == ENOENT ? HF_NO : hf_status_of(errno);
	if (hf_names_inode(dir, side, old))
		return HF_OK;
	/* If the exchange back fails, the other file was released in the meantime, by removing ours
	 * from PATH. If the second exchange moves a third file, which another process made, that
	 * one is put back, and the second belongs to no process. */
	if (sys_renameat2(dir, side, dir, target->name, RENAME_EXCHANGE) == 0 &&
	    !hf_names_inode(dir, side, new))
		(void)!sys_renameat2(dir, side, dir, target->name, RENAME_EXCHANGE);
	return HF_NO;
}

/* Without an exchange (NFS, FAT): move PATH aside and check it. PATH is absent for a moment in
 * which no process holds the lock. */
static enum hf_status replace_by_moving(const struct hf_target *target, const char *side, int old)
{
	int dir = target->dir;

	if (sys_renameat2(dir, target->name, dir, side, 0) < 0)
		return errno == ENOENT ? HF_NO : hf_status_of(errno);
	if (!hf_names_inode(dir, side, old))
		(void)!sys_linkat(dir, side, dir, target->name, 0);
	return HF_NO; /* PATH is free or taken: start again */
}

static enum hf_status cannot_replace(const struct hf_target *target, const char *side, int old,
				     struct hf_err *err)
{
	struct stat st;
	int errnum = errno;

	hf_fail_errno(err, "cannot take over the stale dotlock '%s'", target->path);
	if ((errnum == EPERM || errnum == EACCES) && sys_fstat(old, &st) == 0)
		hf_advise(err, "its owner (user %u) or root can remove it by lock-break",
			  (unsigned int)st.st_uid);
	else if (errnum == EEXIST)
		hf_advise(err, "remove '%s' beside it: the takeover needs this name", side);
	return hf_status_of(errnum);
}

/* The side name is taken. Return false if another takeover uses it. Otherwise it is free now, or
 * side is set to another name. */
static bool make_way(const struct hf_target *target, char side[NAME_MAX + 1])
{
	switch (hf_tempfile_reap(target, side)) {
	case HF_OK:
		return true;
	case HF_BUSY:
		return false;
	default:
		hf_tempfile_reap_all(target, "dot");
		hf_side_name(target, "dot", hf_side_number(), side);
		return true;
	}
}

enum hf_status hf_dot_replace(const struct hf_target *target, struct hf_dot_new *new, int old,
			      int *fd, struct hf_err *err)
{
	char side[NAME_MAX + 1];
	enum hf_status status = HF_NO;

	hf_target_side(target, "dot", side);
	for (int tries = 0; status == HF_NO && tries < MAX_TRIES; tries++) {
		status = link_new(target, new, side, err);
		if (status == HF_NO && !make_way(target, side))
			return HF_BUSY;
	}
	if (status == HF_NO) {
		errno = EEXIST;
		return cannot_replace(target, side, old, err);
	}
	if (status != HF_OK)
		return status;
	status = exchange_path(target, side, new->fd, old);
	if (status == HF_USAGE || status == HF_UNAVAILABLE) /* EINVAL, ENOSYS */
		status = replace_by_moving(target, side, old);
	if (status != HF_OK && status != HF_NO)
		cannot_replace(target, side, old, err);
	sys_unlinkat(target->dir, side, 0);
	if (status == HF_OK)
		finish_link(target, new, fd);
	else
		hf_dot_discard(target, new); /* a file that had a name cannot be linked again */
	return status;
}

pid_t hf_dot_rival(const struct hf_target *target)
{
	char side[NAME_MAX + 1];
	struct hf_trust trust;
	struct stat st;
	pid_t pid;
	int fd;

	hf_trust_init(&trust, target, HF_TRUST_NAMED);
	hf_target_side(target, "dot", side);
	if (hf_side_open_leftover(&trust, side, &fd, &st, NULL) != HF_OK)
		return 0;
	pid = hf_lock_holder(fd);
	sys_close(fd);
	return pid;
}

bool hf_dot_remove(const struct hf_target *target, int fd)
{
	if (!hf_names_inode(target->dir, target->name, fd)) {
		errno = ENOENT;
		return false;
	}
	return sys_unlinkat(target->dir, target->name, 0) == 0;
}

void hf_dot_give_back(const struct hf_target *target, int fd)
{
	struct stat ours, st;
	int again;

	/* opened before ours is closed, so no other file can have its inode number */
	if (sys_fstat(fd, &ours) < 0 || hf_dot_look(target, &again, &st, NULL) != HF_OK) {
		sys_close(fd);
		return;
	}
	sys_close(fd);
	if (hf_same_inode(&st, &ours) && sys_flock(again, LOCK_EX | LOCK_NB) == 0)
		hf_dot_remove(target, again);
	sys_close(again);
}

void hf_dot_reap(const struct hf_target *target)
{
	char side[NAME_MAX + 1];

	hf_tempfile_reap(target, hf_target_side(target, "dot", side));
}

void hf_dot_discard(const struct hf_target *target, struct hf_dot_new *new)
{
	int saved = errno;

	if (new->fd < 0)
		return;
	if (new->name[0])
		sys_unlinkat(target->dir, new->name, 0);
	sys_close(new->fd);
	new->fd = -1;
	errno = saved;
}
