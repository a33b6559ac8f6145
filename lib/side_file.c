/* SPDX-License-Identifier: ISC */
#include "side_file.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"
#include "wording.h"

void hf_trust_init(struct hf_trust *trust, const struct hf_target *target, int fd)
{
	trust->target = target;
	trust->fd = fd;
	trust->read = false;
}

/* Where it cannot be read who may write the target, only root and the caller are trusted. */
static void fill_in(struct hf_trust *trust)
{
	const char *path = trust->target->path;

	if (trust->read)
		return;
	trust->read = true;
	if (trust->fd < 0 || hf_access_read(&trust->access, trust->fd, path, NULL) != HF_OK)
		trust->access = (struct hf_access){.count = 0};
	if (hf_access_read(&trust->dir, trust->target->dir, path, NULL) != HF_OK)
		trust->dir = (struct hf_access){.other = R_OK | W_OK};
}

static bool trusts_owner(const struct hf_trust *trust, uid_t uid)
{
	return uid == 0 || hf_same_user(uid, geteuid()) ||
	       (trust->access.st.st_nlink && hf_same_user(uid, trust->access.st.st_uid));
}

/* May only root, the caller, the target's owner and the target's group make a file there? */
static bool is_groups_directory(const struct hf_trust *trust)
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
	fill_in(trust);
	if (trusts_owner(trust, st->st_uid))
		return true;
	switch (hf_access_permits(&trust->access, st->st_uid, W_OK)) {
	case HF_MEMBER_YES:
		return true;
	case HF_MEMBER_UNKNOWN:
		return hf_same_group(st->st_gid, trust->access.st.st_gid) &&
		       is_groups_directory(trust);
	default:
		return false;
	}
}

bool hf_trusts_directory(struct hf_trust *trust)
{
	const struct hf_access *dir = &trust->dir;

	fill_in(trust);
	if (!trusts_owner(trust, dir->st.st_uid))
		return false;
	/* with an ACL the group bits are the mask: without them it gives nobody anything */
	if (!(dir->st.st_mode & 022))
		return true;
	return trust->access.st.st_nlink &&
	       hf_access_within(dir, &trust->access, W_OK, geteuid());
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
	/* an appender of many lines meets the name at each */
	static _Thread_local char last[NAME_MAX + 1];
	char owner[HF_USER_SIZE];

	if (strcmp(last, name) == 0)
		return;
	snprintf(last, sizeof(last), "%s", name);
	hf_notice("ignoring '%s' beside '%s', of %s: %s", name, trust->target->path,
		  hf_user_name(owner, st->st_uid), why);
}

/* Why may the file not be used? NULL: it may. */
static const char *reason(struct hf_trust *trust, const struct stat *st, int fd)
{
	struct hf_access access;

	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if (st->st_nlink > 1 && !HF_WITHOUT(trust))
		return "it has other names";
	if (!hf_trusts(trust, st))
		return "that user may not write the file";
	if (fd < 0 || HF_WITHOUT(trust))
		return NULL;
	fill_in(trust);
	if (!trust->access.st.st_nlink)
		return (st->st_mode & 077) ? "it is open to others" : NULL;
	if (hf_access_read(&access, fd, trust->target->path, NULL) != HF_OK)
		return "it cannot be read who may write it";
	return hf_access_within(&access, &trust->access, R_OK | W_OK, st->st_uid)
		       ? NULL
		       : "it is open to users to whom the file is not";
}

const char *hf_side_distrusts(struct hf_trust *trust, int fd, const struct stat *st)
{
	const char *why = reason(trust, st, -1);
	struct hf_access access;

	/* with an ACL the group's bits are the mask: without them it gives nobody anything */
	if (why || !(st->st_mode & 022) || HF_WITHOUT(trust))
		return why;
	fill_in(trust);
	if (hf_access_read(&access, fd, trust->target->path, NULL) != HF_OK)
		return "it cannot be read who may write it";
	return trust->access.st.st_nlink &&
			       hf_access_within(&access, &trust->access, W_OK, st->st_uid)
		       ? NULL
		       : "users may write it who may not write the file";
}

enum hf_status hf_side_open(struct hf_trust *trust, const char *name, int flags, int *fd,
			    struct stat *st, struct hf_err *err)
{
	int dir = trust->target->dir;
	const char *why;

	*fd = -1;
	/* before it is opened: opening a FIFO or a device does something */
	if (sys_fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return HF_NO;
		return hf_fail_errno(err, "cannot read the state of '%s' beside '%s'", name,
				     trust->target->path);
	}
	why = reason(trust, st, -1);
	if (!why) {
		*fd = sys_openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
				 0);
		if (*fd < 0 && errno == ENOENT)
			return HF_NO;
		if (*fd < 0 && (errno == EACCES || errno == EPERM || errno == ELOOP))
			why = hf_strerror(errno);
		else if (*fd < 0 || sys_fstat(*fd, st) < 0)
			goto failed;
		else if (st->st_nlink == 0)
			goto absent;
		else
			why = reason(trust, st, *fd);
	}
	if (!why)
		return HF_OK;
	hf_side_ignored(trust, name, st, why);
	if (*fd >= 0)
		sys_close(*fd);
	*fd = -1;
	return hf_fail(err, HF_NOPERM, "cannot use '%s' beside '%s': %s", name, trust->target->path,
		       why);
absent:
	sys_close(*fd);
	*fd = -1;
	return HF_NO;
failed:
	hf_fail_errno(err, "cannot open '%s' beside '%s'", name, trust->target->path);
	if (*fd >= 0)
		sys_close(*fd);
	*fd = -1;
	return err ? err->status : HF_OS;
}
