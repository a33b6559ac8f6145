/* SPDX-License-Identifier: ISC */
#include "attributes.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <string.h>

#include "sys.h"

#define ACL "system.posix_acl_access"

/* The names of fd's attributes, one after the other; *size is their length. A file system without
 * attributes has none. */
static enum hf_status list(int fd, char names[XATTR_LIST_MAX], size_t *size, const char *file,
			   struct hf_err *err)
{
	ssize_t n = sys_flistxattr(fd, names, XATTR_LIST_MAX);

	if (n < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return hf_fail_errno(err, "cannot list the attributes of '%s'", file);
	*size = n < 0 ? 0 : (size_t)n;
	return HF_OK;
}

static bool lists(const char *names, size_t size, const char *wanted)
{
	for (const char *name = names; name < names + size; name += strlen(name) + 1)
		if (strcmp(name, wanted) == 0)
			return true;
	return false;
}

static bool is_content_hash(const char *name)
{
	return strcmp(name, "security.ima") == 0 || strcmp(name, "security.evm") == 0;
}

/* The user's own: what somebody set, and will miss. */
static bool is_users(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "system.", 7) == 0;
}

static enum hf_status copy_one(int from, int to, const char *name, const char *file,
			       struct hf_err *err)
{
	char value[XATTR_SIZE_MAX];
	ssize_t n = sys_fgetxattr(from, name, value, sizeof(value));

	if (n >= 0 && sys_fsetxattr(to, name, value, (size_t)n, 0) == 0)
		return HF_OK;
	if (n < 0 && errno == ENODATA)
		return HF_OK;
	/* of what others keep there, only a disk that fails is our concern */
	if (!is_users(name) && errno != EIO && errno != ENOSPC && errno != EDQUOT)
		return HF_OK;
	return hf_fail_errno(err, "cannot keep the attribute %s of '%s'", name, file);
}

/* Owner and group as far as we may; takes from *mode what must not outlive them. */
static enum hf_status keep_owner(int to, const struct stat *st, struct stat *now, mode_t *mode,
				 const char *file, struct hf_err *err)
{
	if (st->st_uid == now->st_uid && st->st_gid == now->st_gid)
		return HF_OK;
	now->st_mode &= (mode_t) ~(S_ISUID | S_ISGID);
	if (sys_fchown(to, st->st_uid, st->st_gid) == 0)
		return HF_OK;
	/* EINVAL: an id that this user namespace does not know */
	if (errno != EPERM && errno != EINVAL)
		return hf_fail_errno(err, "cannot keep the owner of '%s'", file);
	if (st->st_uid != now->st_uid)
		*mode &= (mode_t)~S_ISUID;
	if (st->st_gid != now->st_gid && sys_fchown(to, (uid_t)-1, st->st_gid) < 0) {
		if (errno != EPERM && errno != EINVAL)
			return hf_fail_errno(err, "cannot keep the group of '%s'", file);
		*mode &= (mode_t)~S_ISGID;
	}
	return HF_OK;
}

enum hf_status hf_copy_attributes(int from, int to, const struct stat *st, const char *name,
				  struct hf_err *err)
{
	char old[XATTR_LIST_MAX], new[XATTR_LIST_MAX];
	size_t old_size = 0, new_size = 0;
	mode_t mode = st->st_mode & 07777;
	enum hf_status status;
	struct stat now;

	if (sys_fstat(to, &now) < 0)
		return hf_fail_errno(err, "cannot keep the attributes of '%s'", name);
	status = keep_owner(to, st, &now, &mode, name, err);
	if (status == HF_OK)
		status = list(from, old, &old_size, name, err);
	if (status == HF_OK)
		status = list(to, new, &new_size, name, err);
	for (const char *s = old; status == HF_OK && s < old + old_size; s += strlen(s) + 1)
		if (!is_content_hash(s) && strcmp(s, ACL) != 0)
			status = copy_one(from, to, s, name, err);
	if (status != HF_OK)
		return status;
	if (lists(new, new_size, ACL) && !lists(old, old_size, ACL) &&
	    sys_fremovexattr(to, ACL) < 0 && errno != ENODATA)
		return hf_fail_errno(err, "cannot keep the mode of '%s'", name);
	if (mode != (now.st_mode & 07777) && sys_fchmod(to, mode) < 0)
		return hf_fail_errno(err, "cannot keep the mode of '%s'", name);
	return lists(old, old_size, ACL) ? copy_one(from, to, ACL, name, err) : HF_OK;
}
