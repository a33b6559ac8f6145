/* SPDX-License-Identifier: ISC */
#include "base/attributes.h"

#include <endian.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/access.h"
#include "base/sys.h"

enum { RW = 6 };
#define NO_ID UINT32_MAX
struct acl {
	uint32_t version;
	struct hf_acl_entry
		entries[(XATTR_SIZE_MAX - sizeof(uint32_t)) / sizeof(struct hf_acl_entry)];
};

/* List the names of fd's attributes; *size is the length of the list. A file system without
 * attributes has none. */
static enum hf_status list_names(int fd, char names[XATTR_LIST_MAX], size_t *size, const char *file,
				 struct hf_err *err)
{
	ssize_t n = sys_flistxattr(fd, names, XATTR_LIST_MAX);

	if (n < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return hf_fail_errno(err, "cannot list the attributes of '%s'", file);
	*size = n < 0 ? 0 : (size_t)n;
	return HF_OK;
}

static enum hf_status find_acl(int fd, bool *has, const char *file, struct hf_err *err)
{
	ssize_t n = sys_fgetxattr(fd, HF_ACL_NAME, NULL, 0);

	*has = n > 0;
	if (n >= 0 || errno == ENODATA || errno == EOPNOTSUPP || errno == ENOSYS)
		return HF_OK;
	return hf_fail_errno(err, "cannot keep the attribute %s of '%s'", HF_ACL_NAME, file);
}

static bool is_content_hash(const char *name)
{
	return strcmp(name, "security.ima") == 0 || strcmp(name, "security.evm") == 0;
}

/* Return true for attributes that a user has set and would miss. */
static bool is_user_attribute(const char *name)
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
	/* of the system's attributes only an I/O error matters */
	if (!is_user_attribute(name) && errno != EIO && errno != ENOSPC && errno != EDQUOT)
		return HF_OK;
	return hf_fail_errno(err, "cannot keep the attribute %s of '%s'", name, file);
}

/* ---- what the old permissions mean for another owner and group ------------------------------- */

/* How to change the old file's permissions for the new file. */
struct change {
	bool other_group; /* the new file has another group: the old one could not be kept */
	bool shared;	  /* copy the right to read and write only, and only both together */
};

static unsigned int shared(unsigned int perm)
{
	return (perm & RW) == RW ? RW : 0;
}

/* Under another group, the members of the old group become others, and the members of the new group
 * were others or members before. Keep the permissions that all of them had. */
static mode_t change_mode(mode_t mode, const struct change *change)
{
	unsigned int group = (mode >> 3) & 7, other = mode & 7;

	if (change->other_group)
		group = other = group & other;
	if (change->shared) {
		group = shared(group);
		other = shared(other);
	}
	return (mode & (mode_t)~077) | group << 3 | other;
}

/* The same for an ACL. A member of a named group with fewer permissions must not receive more
 * through the new group. */
static void change_acl(struct acl *value, size_t size, const struct change *change)
{
	size_t count = (size - sizeof(value->version)) / sizeof(struct hf_acl_entry);
	struct hf_acl_entry *acl = value->entries;
	unsigned int mask = 7, both = 7;

	for (size_t i = 0; i < count; i++) {
		unsigned int tag = le16toh(acl[i].tag), perm = le16toh(acl[i].perm);

		if (tag == HF_ACL_MASK)
			mask = perm;
		else if (tag == HF_ACL_GROUP_OBJ || tag == HF_ACL_GROUP || tag == HF_ACL_OTHER)
			both &= perm;
	}
	for (size_t i = 0; i < count; i++) {
		unsigned int tag = le16toh(acl[i].tag), perm = le16toh(acl[i].perm);

		if (change->other_group && (tag == HF_ACL_GROUP_OBJ || tag == HF_ACL_OTHER))
			perm = both & (tag == HF_ACL_OTHER ? 7 : mask);
		if (change->shared)
			perm = tag == HF_ACL_MASK || tag == HF_ACL_USER_OBJ
				       ? RW
				       : shared(tag == HF_ACL_OTHER ? perm : perm & mask);
		acl[i].perm = htole16((uint16_t)perm);
	}
}

/* Give `to` the ACL of `from`. */
static enum hf_status copy_acl(int from, int to, const struct change *change, const char *file,
			       struct hf_err *err)
{
	struct acl value;
	ssize_t n = sys_fgetxattr(from, HF_ACL_NAME, &value, sizeof(value));

	if (n < 0 && errno == ENODATA)
		return HF_OK;
	if (n >= (ssize_t)sizeof(value.version)) {
		change_acl(&value, (size_t)n, change);
		if (sys_fsetxattr(to, HF_ACL_NAME, &value, (size_t)n, 0) == 0)
			return HF_OK;
	}
	return hf_fail_errno(err, "cannot keep the attribute %s of '%s'", HF_ACL_NAME, file);
}

/* Keep owner and group as far as permitted; remove mode bits that must not survive another
 * owner. */
static enum hf_status keep_owner(int to, const struct stat *st, struct stat *now, mode_t *mode,
				 struct change *change, const char *file, struct hf_err *err)
{
	if (st->st_uid == now->st_uid && st->st_gid == now->st_gid)
		return HF_OK;
	now->st_mode &= (mode_t) ~(S_ISUID | S_ISGID);
	if (sys_fchown(to, st->st_uid, st->st_gid) == 0)
		return HF_OK;
	/* EINVAL: an ID that this user namespace does not map */
	if (errno != EPERM && errno != EINVAL)
		return hf_fail_errno(err, "cannot keep the owner of '%s'", file);
	if (st->st_uid != now->st_uid)
		*mode &= (mode_t)~S_ISUID;
	if (st->st_gid != now->st_gid && sys_fchown(to, (uid_t)-1, st->st_gid) < 0) {
		if (errno != EPERM && errno != EINVAL)
			return hf_fail_errno(err, "cannot keep the group of '%s'", file);
		*mode &= (mode_t)~S_ISGID;
		change->other_group = !HF_WITHOUT(group);
	}
	return HF_OK;
}

/* Mode and ACL. With an ACL, which comes last, the mode's group bits are its mask. */
static enum hf_status keep_permissions(int from, int to, mode_t now, mode_t mode,
				       const struct change *change, const char *name,
				       struct hf_err *err)
{
	bool had, has;
	enum hf_status status = find_acl(from, &had, name, err);
	mode_t first;

	if (status == HF_OK)
		status = find_acl(to, &has, name, err);
	if (status != HF_OK)
		return status;
	first = had ? mode & (mode_t)~077 : change_mode(mode, change);
	if ((has && !had && sys_fremovexattr(to, HF_ACL_NAME) < 0 && errno != ENODATA) ||
	    (first != (now & 07777) && sys_fchmod(to, first) < 0))
		return hf_fail_errno(err, "cannot keep the mode of '%s'", name);
	return had ? copy_acl(from, to, change, name, err) : HF_OK;
}

enum hf_status hf_copy_attributes(int from, int to, const struct stat *st, const char *name,
				  struct hf_err *err)
{
	char old[XATTR_LIST_MAX];
	size_t size = 0;
	mode_t mode = st->st_mode & 07777;
	struct change change = {0};
	enum hf_status status;
	struct stat now;

	if (sys_fstat(to, &now) < 0)
		return hf_fail_errno(err, "cannot keep the attributes of '%s'", name);
	status = keep_owner(to, st, &now, &mode, &change, name, err);
	if (status == HF_OK)
		status = list_names(from, old, &size, name, err);
	for (const char *s = old; status == HF_OK && s < old + size; s += strlen(s) + 1)
		if (!is_content_hash(s) && strcmp(s, HF_ACL_NAME) != 0)
			status = copy_one(from, to, s, name, err);
	return status == HF_OK ? keep_permissions(from, to, now.st_mode, mode, &change, name, err)
			       : status;
}

struct few_entries {
	uint32_t version;
	struct hf_acl_entry entries[64];
};

/* Let the owner of the old file open the new one, which is ours. A file system without ACLs is not
 * an error. */
static void admit_owner(int to, uid_t owner)
{
	struct few_entries acl = {.version = htole32(HF_ACL_VERSION)}, old;
	ssize_t n = sys_fgetxattr(to, HF_ACL_NAME, &old, sizeof(old));
	size_t count = 0,
	       most = n > 0 ? ((size_t)n - sizeof(old.version)) / sizeof(old.entries[0]) : 0;
	const unsigned int any[] = {HF_ACL_USER_OBJ, HF_ACL_GROUP_OBJ, HF_ACL_MASK, HF_ACL_OTHER};
	struct stat st;

	if (n < 0 && errno == ENODATA && sys_fstat(to, &st) == 0) {
		for (size_t i = 0; i < 4; i++) {
			unsigned int shift = i == 0 ? 6 : i == 1 ? 3 : 0;
			unsigned int perm = any[i] == HF_ACL_MASK ? RW : st.st_mode >> shift & RW;

			old.entries[most++] = (struct hf_acl_entry){
				htole16((uint16_t)any[i]), htole16((uint16_t)perm), htole32(NO_ID)};
		}
	}
	if (!most || most == sizeof(acl.entries) / sizeof(acl.entries[0]))
		return;
	/* in the order of tags and ids */
	for (size_t i = 0; i < most; i++) {
		unsigned int tag = le16toh(old.entries[i].tag);

		if (tag == HF_ACL_USER && le32toh(old.entries[i].id) == owner)
			continue;
		if (count == i && (tag > HF_ACL_USER ||
				   (tag == HF_ACL_USER && le32toh(old.entries[i].id) > owner)))
			acl.entries[count++] = (struct hf_acl_entry){htole16(HF_ACL_USER),
								     htole16(RW), htole32(owner)};
		acl.entries[count++] = old.entries[i];
	}
	(void)!sys_fsetxattr(to, HF_ACL_NAME, &acl,
			     sizeof(acl.version) + count * sizeof(acl.entries[0]), 0);
}

enum hf_status hf_share_access(int from, int to, const struct stat *st, const char *name,
			       struct hf_err *err)
{
	mode_t mode = st->st_mode & 0666;
	struct change change = {.shared = true};
	enum hf_status status;
	struct stat now;

	if (sys_fstat(to, &now) < 0)
		return hf_fail_errno(err, "cannot keep the attributes of '%s'", name);
	status = keep_owner(to, st, &now, &mode, &change, name, err);
	if (status == HF_OK)
		status = keep_permissions(from, to, now.st_mode, mode | 0600, &change, name, err);
	if (status == HF_OK && st->st_uid != 0 && sys_fstat(to, &now) == 0 &&
	    now.st_uid != st->st_uid)
		admit_owner(to, st->st_uid);
	return status;
}
