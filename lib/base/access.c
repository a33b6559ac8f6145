/* SPDX-License-Identifier: ISC */
#include "base/access.h"

#include <endian.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/proc_text.h"
#include "base/sys.h"

enum { OVERFLOW_ID = 65534, MAX_GROUPS = 1024, MAX_LINE = 16384 };

/* ---- ids that a user namespace does not map -------------------------------------------------- */

/* Return true if the file, /proc/self/uid_map or gid_map, maps every ID to itself, as outside any
 * user namespace. False if it cannot be read. */
static bool maps_all(const char *path)
{
	unsigned long inside, outside, count;
	char text[64];

	return hf_proc_text(text, sizeof(text), "%s", path) > 0 &&
	       sscanf(text, "%lu %lu %lu", &inside, &outside, &count) == 3 && inside == 0 &&
	       outside == 0 && count >= UINT32_MAX;
}

bool hf_same_user(uid_t a, uid_t b)
{
	return a == b && (a != OVERFLOW_ID || maps_all("/proc/self/uid_map"));
}

bool hf_same_group(gid_t a, gid_t b)
{
	return a == b && (a != OVERFLOW_ID || maps_all("/proc/self/gid_map"));
}

/* ---- members of a group ---------------------------------------------------------------------- */

enum hf_member hf_is_member(uid_t uid, gid_t gid)
{
	char buffer[MAX_LINE];
	gid_t groups[MAX_GROUPS];
	int count = MAX_GROUPS;
	struct passwd entry, *found;

	if (!hf_same_user(uid, uid) || !hf_same_group(gid, gid))
		return HF_MEMBER_NO;
	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return HF_MEMBER_UNKNOWN;
	if (found->pw_gid == gid)
		return HF_MEMBER_YES;
	if (getgrouplist(found->pw_name, found->pw_gid, groups, &count) < 0)
		return HF_MEMBER_UNKNOWN;
	for (int i = 0; i < count; i++)
		if (groups[i] == gid)
			return HF_MEMBER_YES;
	return HF_MEMBER_NO;
}

/* ---- what a file permits --------------------------------------------------------------------- */

static void add_entry(struct hf_access *access, bool is_group, uint32_t id, unsigned int perm)
{
	access->entries[access->count++] =
		(struct hf_access_entry){is_group, id, perm & (R_OK | W_OK)};
}

/* Parse the ACL in the file system's format: a version and entries, little-endian. */
static bool parse_acl(struct hf_access *access, const char *value, size_t size)
{
	size_t count = (size - sizeof(uint32_t)) / sizeof(struct hf_acl_entry);
	unsigned int mask = R_OK | W_OK;
	struct hf_acl_entry entry;
	uint32_t version;

	memcpy(&version, value, sizeof(version));
	if (le32toh(version) != HF_ACL_VERSION || count > HF_ACCESS_ENTRIES)
		return false;
	for (size_t i = 0; i < count; i++) {
		memcpy(&entry, value + sizeof(version) + i * sizeof(entry), sizeof(entry));
		switch (le16toh(entry.tag)) {
		case HF_ACL_USER:
			add_entry(access, false, le32toh(entry.id), le16toh(entry.perm));
			break;
		case HF_ACL_GROUP_OBJ:
			add_entry(access, true, access->st.st_gid, le16toh(entry.perm));
			break;
		case HF_ACL_GROUP:
			add_entry(access, true, le32toh(entry.id), le16toh(entry.perm));
			break;
		case HF_ACL_MASK:
			mask = le16toh(entry.perm);
			break;
		case HF_ACL_OTHER:
			access->other = le16toh(entry.perm) & (R_OK | W_OK);
			break;
		}
	}
	for (size_t i = 0; i < access->count; i++)
		access->entries[i].perm &= mask;
	return true;
}

static ssize_t read_acl(int fd, char *value, size_t size)
{
	ssize_t n = sys_fgetxattr(fd, HF_ACL_NAME, value, size);
	char path[32];

	if (n >= 0 || errno != EBADF)
		return n;
	/* opened with O_PATH */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return getxattr(path, HF_ACL_NAME, value, size);
}

enum hf_status hf_access_read(struct hf_access *access, int fd, const char *path,
			      struct hf_err *err)
{
	char value[sizeof(uint32_t) + HF_ACCESS_ENTRIES * sizeof(struct hf_acl_entry)];
	ssize_t n;

	access->count = 0;
	if (sys_fstat(fd, &access->st) < 0)
		return hf_fail_errno(err, "cannot read the permissions of '%s'", path);
	n = read_acl(fd, value, sizeof(value));
	if (n >= (ssize_t)sizeof(uint32_t)) {
		if (parse_acl(access, value, (size_t)n))
			return HF_OK;
		n = -1;
		errno = ERANGE;
	}
	if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP && errno != ENOSYS)
		return hf_fail_errno_as(err, errno == ERANGE ? HF_UNAVAILABLE : hf_status_of(errno),
					"cannot read the permissions of '%s'", path);
	add_entry(access, true, access->st.st_gid, access->st.st_mode >> 3);
	access->other = access->st.st_mode & (R_OK | W_OK);
	return HF_OK;
}

bool hf_access_is_fixed(int dir, const char *name)
{
	const unsigned int flags = name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
	struct statx st;

	return statx(dir, name ? name : "", (int)flags, STATX_TYPE, &st) == 0 &&
	       st.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND);
}

/* ---- questions ------------------------------------------------------------------------------- */

enum hf_member hf_access_permits(const struct hf_access *access, uid_t uid, unsigned int perm)
{
	bool in_group = false, unknown = false;

	if (uid == 0)
		return HF_MEMBER_YES;
	if (!access->st.st_nlink || !hf_same_user(uid, uid))
		return HF_MEMBER_NO;
	if (uid == access->st.st_uid)
		return HF_MEMBER_YES;
	for (size_t i = 0; i < access->count; i++)
		if (!access->entries[i].is_group && access->entries[i].id == uid)
			return (access->entries[i].perm & perm) == perm ? HF_MEMBER_YES
									: HF_MEMBER_NO;
	for (size_t i = 0; i < access->count; i++) {
		const struct hf_access_entry *entry = &access->entries[i];
		bool grants = (entry->perm & perm) == perm;
		enum hf_member member;

		/* skip entries that cannot change the result */
		if (!entry->is_group || (grants && (access->other & perm) == perm))
			continue;
		if (!grants && (access->other & perm) != perm)
			continue;
		member = hf_is_member(uid, entry->id);
		if (member == HF_MEMBER_YES && grants)
			return HF_MEMBER_YES;
		in_group = in_group || member == HF_MEMBER_YES;
		unknown = unknown || member == HF_MEMBER_UNKNOWN;
	}
	if (unknown)
		return HF_MEMBER_UNKNOWN;
	return !in_group && (access->other & perm) == perm ? HF_MEMBER_YES : HF_MEMBER_NO;
}

/* Return true if every member of the group may do it with `outer`: through the same group there, or
 * each by itself. */
static bool group_is_within(gid_t gid, const struct hf_access *outer, unsigned int perm,
			    uid_t except)
{
	char buffer[MAX_LINE];
	struct group entry, *group;
	struct passwd *user;
	bool within = true;

	for (size_t i = 0; i < outer->count; i++)
		if (outer->entries[i].is_group && hf_same_group(outer->entries[i].id, gid) &&
		    (outer->entries[i].perm & perm) == perm)
			return true;
	if (getgrgid_r(gid, &entry, buffer, sizeof(buffer), &group) != 0)
		return false;
	for (char **name = group ? group->gr_mem : NULL; name && *name && within; name++) {
		user = getpwnam(*name);
		within = user && (user->pw_uid == except ||
				  hf_access_permits(outer, user->pw_uid, perm) == HF_MEMBER_YES);
	}
	/* the users whose primary group this is are members too */
	setpwent();
	while (within && (user = getpwent()))
		if (user->pw_gid == gid && user->pw_uid != except)
			within = hf_access_permits(outer, user->pw_uid, perm) == HF_MEMBER_YES;
	endpwent();
	return within;
}

static bool entry_is_within(const struct hf_access_entry *entry, const struct hf_access *outer,
			    unsigned int perm, uid_t except)
{
	if (entry->is_group)
		return group_is_within(entry->id, outer, perm, except);
	return entry->id == except || hf_access_permits(outer, entry->id, perm) == HF_MEMBER_YES;
}

/* Return true if outer permits it to all: no user and no group is denied. */
static bool permits_all(const struct hf_access *outer, unsigned int perm)
{
	for (size_t i = 0; i < outer->count; i++)
		if ((outer->entries[i].perm & perm) != perm)
			return false;
	return (outer->other & perm) == perm;
}

bool hf_access_within(const struct hf_access *inner, const struct hf_access *outer,
		      unsigned int perm, uid_t except)
{
	for (unsigned int bit = R_OK; bit; bit = bit == R_OK ? W_OK : 0) {
		uid_t owner = inner->st.st_uid;

		if (!(perm & bit) || permits_all(outer, bit))
			continue;
		if ((inner->other & bit) ||
		    (owner != except && hf_access_permits(outer, owner, bit) != HF_MEMBER_YES))
			return false;
		for (size_t i = 0; i < inner->count; i++)
			if ((inner->entries[i].perm & bit) &&
			    !entry_is_within(&inner->entries[i], outer, bit, except))
				return false;
	}
	return true;
}
