/* SPDX-License-Identifier: ISC */
#include "base/side_file.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/strerror.h"
#include "base/sys.h"

void hf_trust_init(struct hf_trust *trust, const struct hf_target *target, int fd)
{
	trust->target = target;
	trust->fd = fd;
	trust->quiet = trust->read = false;
	trust->access = (struct hf_access){.count = 0};
}

/* Read the rights. If those on the target cannot be read, only root and the caller are trusted; so
 * too if its name leads to a symbolic link, whose mode permits every user to write. */
static void read_rights(struct hf_trust *trust)
{
	const struct hf_target *target = trust->target;
	const char *path = target->path;
	bool named = trust->fd == HF_TRUST_NAMED;
	int fd = trust->fd;

	if (trust->read)
		return;
	trust->read = true;
	if (named)
		fd = sys_openat(target->dir, target->name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0 || hf_access_read(&trust->access, fd, path, NULL) != HF_OK ||
	    S_ISLNK(trust->access.st.st_mode))
		trust->access = (struct hf_access){.count = 0};
	if (named)
		hf_close(fd);
	if (hf_access_read(&trust->dir, target->dir, path, NULL) != HF_OK)
		trust->dir = (struct hf_access){.other = R_OK | W_OK};
}

static bool trusts_owner(const struct hf_trust *trust, uid_t uid)
{
	return uid == 0 || hf_same_user(uid, geteuid()) ||
	       (trust->access.st.st_nlink && hf_same_user(uid, trust->access.st.st_uid));
}

/* Return true if only root, the caller, the target's owner and its group may create files in the
 * directory. */
static bool is_group_directory(const struct hf_trust *trust)
{
	const struct hf_access *dir = &trust->dir;

	if (!trusts_owner(trust, dir->st.st_uid) || (dir->other & W_OK))
		return false;
	for (size_t i = 0; i < dir->count; i++)
		if ((dir->entries[i].perm & W_OK) &&
		    (!dir->entries[i].is_group ||
		     !hf_same_group(dir->entries[i].id, trust->access.st.st_gid)))
			return false;
	return true;
}

bool hf_trusts(struct hf_trust *trust, const struct stat *st)
{
	if (HF_WITHOUT(trust) || trusts_owner(trust, st->st_uid))
		return true;
	read_rights(trust);
	if (trusts_owner(trust, st->st_uid))
		return true;
	switch (hf_access_permits(&trust->access, st->st_uid, W_OK)) {
	case HF_MEMBER_YES:
		return true;
	case HF_MEMBER_UNKNOWN:
		return hf_same_group(st->st_gid, trust->access.st.st_gid) &&
		       is_group_directory(trust);
	default:
		return false;
	}
}

/* The usual directory, checked with one call: only its owner, whom every target trusts, can create
 * files in it. */
static bool is_private(const struct hf_trust *trust, struct stat *st)
{
	return sys_fstat(trust->target->dir, st) == 0 && !(st->st_mode & 022) &&
	       (st->st_uid == 0 || hf_same_user(st->st_uid, geteuid()));
}

bool hf_trusts_directory(struct hf_trust *trust)
{
	const struct hf_access *dir = &trust->dir;
	struct stat st;

	if (!trust->read && is_private(trust, &st))
		return true;
	read_rights(trust);
	if (!trusts_owner(trust, dir->st.st_uid))
		return false;
	/* with an ACL the group bits are the mask: without them no entry grants anything */
	if (!(dir->st.st_mode & 022))
		return true;
	return trust->access.st.st_nlink && hf_access_within(dir, &trust->access, W_OK, geteuid());
}

bool hf_side_may_vary(struct hf_trust *trust)
{
	struct stat st;

	if (HF_WITHOUT(side_names) || is_private(trust, &st))
		return false;
	return (st.st_mode & S_ISVTX) || !hf_trusts_directory(trust);
}

/* ---- names ----------------------------------------------------------------------------------- */

enum { DIGITS = 8, NOTICED = 8 };

char *hf_side_name(const struct hf_target *target, const char *what, uint32_t number,
		   char out[NAME_MAX + 1])
{
	char with_number[40];

	if (!number)
		return hf_target_side(target, what, out);
	snprintf(with_number, sizeof(with_number), "%08x.%s", (unsigned int)number, what);
	return hf_target_side(target, with_number, out);
}

uint32_t hf_side_number(void)
{
	uint32_t number = arc4random();

	return number ? number : 1;
}

DIR *hf_side_list(const struct hf_target *target)
{
	int fd = sys_openat(target->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		hf_close(fd);
	return dir;
}

/* Return true if entry is a name that hf_side_name() makes with a number. */
static bool has_number(const struct hf_target *target, const char *what, const char *entry)
{
	size_t tail = DIGITS + 1 + strlen(what), length = strlen(entry);
	char pattern[NAME_MAX + 1];
	size_t head = strlen(hf_side_name(target, what, 1, pattern)) - tail;

	return length == head + tail && memcmp(entry, pattern, head) == 0 &&
	       strspn(entry + head, "0123456789abcdef") == DIGITS && entry[head + DIGITS] == '.' &&
	       strcmp(entry + head + DIGITS + 1, what) == 0;
}

const char *hf_side_next(DIR *dir, struct hf_trust *trust, const char *what)
{
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(dir)))
		if (has_number(trust->target, what, entry->d_name) &&
		    sys_fstatat(trust->target->dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    hf_trusts(trust, &st))
			return entry->d_name;
	return NULL;
}

/* ---- open ------------------------------------------------------------------------------------ */

/* Return true if this notice was given: an appender of many lines finds the same file each time. */
static bool was_noticed(const char *name, const char *why)
{
	static _Thread_local uint64_t noticed[NOTICED];
	static _Thread_local unsigned int next;
	const uint64_t h = hf_hash_text(hf_hash_text(HF_HASH_START, name), why);

	for (int i = 0; i < NOTICED; i++)
		if (noticed[i] == h)
			return true;
	noticed[next++ % NOTICED] = h;
	return false;
}

char *hf_user_name(char out[HF_USER_SIZE], uid_t uid)
{
	char buffer[4096];
	struct passwd entry, *owner;

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &owner) != 0 || !owner)
		snprintf(out, HF_USER_SIZE, "user %u", (unsigned int)uid);
	else
		snprintf(out, HF_USER_SIZE, "user %s", owner->pw_name);
	return out;
}

void hf_side_ignored(const struct hf_trust *trust, const char *name, const struct stat *st,
		     const char *why)
{
	char owner[HF_USER_SIZE];

	if (trust->quiet || was_noticed(name, why))
		return;
	hf_notice("ignoring '%s' beside '%s', of %s: %s", name, trust->target->path,
		  hf_user_name(owner, st->st_uid), why);
}

/* Return why the file may not be used, or NULL. */
static bool may_remove(struct hf_trust *trust, const struct stat *st)
{
	if (hf_trusts(trust, st))
		return true;
	return !(trust->dir.st.st_mode & S_ISVTX) &&
	       hf_access_permits(&trust->dir, st->st_uid, W_OK) == HF_MEMBER_YES;
}

/* Return why the file may not be used, or NULL. leftover: it is to be removed. */
static const char *find_objection(struct hf_trust *trust, const struct stat *st, bool leftover)
{
	if (!S_ISREG(st->st_mode) && !(leftover && S_ISDIR(st->st_mode)))
		return "it is not a regular file";
	if (st->st_nlink > 1 && !leftover && !HF_WITHOUT(trust))
		return "it has other names";
	if (leftover ? !may_remove(trust, st) : !hf_trusts(trust, st))
		return "that user may not write the file";
	return NULL;
}

/* HF_NOPERM: users who may not open the target may open it. */
static enum hf_status check_access(struct hf_trust *trust, const struct stat *st, int fd)
{
	struct hf_access access;
	enum hf_status status;
	struct hf_err err;

	read_rights(trust);
	if (!trust->access.st.st_nlink)
		return (st->st_mode & 077) ? HF_NOPERM : HF_OK;
	status = hf_access_read(&access, fd, trust->target->path, &err);
	if (status != HF_OK) {
		errno = err.errnum;
		return HF_OS;
	}
	return hf_access_within(&access, &trust->access, R_OK | W_OK, st->st_uid) ? HF_OK
										  : HF_NOPERM;
}

static bool is_denied(int errnum)
{
	return errnum == EACCES || errnum == EPERM;
}

static int open_name(const struct hf_target *target, const char *name, int flags, bool leftover)
{
	const int always = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = sys_openat(target->dir, name, flags | always, 0);

	if (fd < 0 && leftover && (errno == EISDIR || errno == EACCES))
		fd = sys_openat(target->dir, name, O_RDONLY | always, 0);
	return fd;
}

/* HF_NO: it has no name any more. HF_NOPERM: it may not be used; *why has the reason. */
static enum hf_status open_and_check(struct hf_trust *trust, const char *name, int flags,
				     bool leftover, int *fd, struct stat *st, const char **why)
{
	enum hf_status status;

	/* before open(2), since opening a FIFO or a device has side effects */
	if (sys_fstatat(trust->target->dir, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? HF_NO : HF_OS;
	*why = find_objection(trust, st, leftover);
	if (*why)
		return HF_NOPERM;
	*fd = open_name(trust->target, name, flags, leftover);
	if (*fd < 0 && errno == ENOENT)
		return HF_NO;
	if (*fd < 0 && errno == ELOOP) {
		*why = hf_strerror(errno);
		return HF_NOPERM;
	}
	if (*fd < 0)
		return is_denied(errno) ? HF_NOPERM : HF_OS;
	if (sys_fstat(*fd, st) < 0)
		return HF_OS;
	if (st->st_nlink == 0)
		return HF_NO;
	*why = find_objection(trust, st, leftover);
	if (*why)
		return HF_NOPERM;
	status = leftover || HF_WITHOUT(trust) ? HF_OK : check_access(trust, st, *fd);
	if (status == HF_NOPERM)
		*why = "it is open to users to whom the file is not";
	return status;
}

static enum hf_status open_side(struct hf_trust *trust, const char *name, int flags, bool leftover,
				int *fd, struct stat *st, struct hf_err *err)
{
	const char *why = NULL, *path = trust->target->path;
	enum hf_status status;

	*fd = -1;
	status = open_and_check(trust, name, flags, leftover, fd, st, &why);
	if (status == HF_OK)
		return HF_OK;
	hf_close(*fd);
	*fd = -1;
	if (status == HF_NO)
		return HF_NO;
	if (!why)
		return hf_fail_errno(err, "cannot open '%s' beside '%s'", name, path);
	hf_side_ignored(trust, name, st, why);
	return hf_fail(err, HF_NOPERM, "cannot use '%s' beside '%s': %s", name, path, why);
}

const char *hf_side_distrusts(struct hf_trust *trust, int fd, const struct stat *st)
{
	const char *why = find_objection(trust, st, false);
	struct hf_access access;

	/* with an ACL the group's bits are the mask: without them it permits nothing */
	if (why || !(st->st_mode & 022) || HF_WITHOUT(trust))
		return why;
	read_rights(trust);
	if (hf_access_read(&access, fd, trust->target->path, NULL) != HF_OK)
		return "its permissions cannot be read";
	return trust->access.st.st_nlink &&
			       hf_access_within(&access, &trust->access, W_OK, st->st_uid)
		       ? NULL
		       : "users who may not write the file may write it";
}

enum hf_status hf_side_open(struct hf_trust *trust, const char *name, int flags, int *fd,
			    struct stat *st, struct hf_err *err)
{
	return open_side(trust, name, flags, false, fd, st, err);
}

enum hf_status hf_side_open_leftover(struct hf_trust *trust, const char *name, int *fd,
				     struct stat *st, struct hf_err *err)
{
	return open_side(trust, name, O_RDWR, true, fd, st, err);
}
