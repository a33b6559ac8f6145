/* SPDX-License-Identifier: ISC */
#ifndef HF_ACCESS_H
#define HF_ACCESS_H

/*
 * Which users may read or write a file, by owner, mode and POSIX ACL.
 *
 *	hf_access_read()	once for each file or directory
 *	hf_access_permits()	may this user?
 *	hf_access_within()	may every user of one file do the same with another?
 *
 * A group counts as all its members (getgrouplist(3)). The owner counts as permitted whatever the
 * mode says, since the owner may change it; root always is permitted. The overflow ID of a user
 * namespace equals nothing (README.md).
 *
 * Changes nothing. Reads the user database; with glibc a name service may be asked, which can
 * block. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/err.h>

enum { HF_ACCESS_ENTRIES = 64 };

/* The extended attribute that is the ACL: a version and entries, all little-endian
 * (linux/posix_acl_xattr.h). */
#define HF_ACL_NAME "system.posix_acl_access"
enum { HF_ACL_VERSION = 2 };
enum { HF_ACL_USER_OBJ = 1, HF_ACL_USER = 2, HF_ACL_OTHER = 32 };
enum { HF_ACL_GROUP_OBJ = 4, HF_ACL_GROUP = 8, HF_ACL_MASK = 16 };
struct hf_acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

/* The rights of a named user or group. */
struct hf_access_entry {
	bool is_group;
	uint32_t id;
	unsigned int perm; /* of R_OK and W_OK, after the mask */
};

struct hf_access {
	struct stat st; /* st_nlink 0: the file is absent, and only root and the caller count */
	struct hf_access_entry entries[HF_ACCESS_ENTRIES]; /* including the owning group */
	size_t count;
	unsigned int other; /* the rights of all others */
};

enum hf_member { HF_MEMBER_NO, HF_MEMBER_YES, HF_MEMBER_UNKNOWN };

/* Read the rights on fd, which may be opened with O_PATH. On failure return the status of fstat(2)
 * or of reading the ACL; HF_UNAVAILABLE: the ACL has more entries than fit. */
enum hf_status hf_access_read(struct hf_access *access, int fd, const char *path,
			      struct hf_err *err);

/* Return whether the user may do all of perm (R_OK | W_OK). HF_MEMBER_UNKNOWN: that depends on a
 * group, and the user database does not know this user. */
enum hf_member hf_access_permits(const struct hf_access *access, uid_t uid, unsigned int perm);

/* Return true if each user who may do any of perm with `inner` may do the same with `outer`. Root
 * and the user `except` (usually geteuid()) are not considered. False if the user database cannot
 * tell. */
bool hf_access_within(const struct hf_access *inner, const struct hf_access *outer,
		      unsigned int perm, uid_t except);

/* Return true if an attribute prevents every user, root included, from replacing or removing the
 * file: immutable or append-only (chattr +i, +a). name NULL: the directory, and all names in it. */
bool hf_access_is_fixed(int dir, const char *name);

/* Return whether the user is a member of the group, by the user database. */
enum hf_member hf_is_member(uid_t uid, gid_t gid);

/* Return true if the IDs are equal; false for an overflow ID that maps no user. */
bool hf_same_user(uid_t a, uid_t b);
bool hf_same_group(gid_t a, gid_t b);

#endif
