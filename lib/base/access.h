/* SPDX-License-Identifier: ISC */
#ifndef HF_ACCESS_H
#define HF_ACCESS_H

/*
 * Who may read or write a file: by its owner, its mode and its POSIX ACL together.
 *
 *	hf_access_read()	once for each file or directory; then, as often as needed,
 *	hf_access_permits()	may this user?
 *	hf_access_within()	may every user of the one file do the same with the other?
 *
 * The mode alone does not tell. With an ACL its group bits are the mask, and other users and groups
 * are named beside it (acl(5)). A group stands for its members, who are asked of the system
 * (getgrouplist(3)): the primary group of a user may be shared by all users of the machine. The
 * owner counts as permitted whatever the mode says, since the owner may change it, and root always
 * is.
 *
 * A user id that the user namespace of this process does not map reads as the overflow id, like
 * every other such id. Therefore the overflow id equals nothing there, not even the own user's.
 *
 * Nothing is changed. The system's user database may be read, and with glibc a name service may be
 * asked, which can block. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/err.h>

enum { HF_ACCESS_ENTRIES = 64 };

/* A right for a named user or group. */
struct hf_access_entry {
	bool is_group;
	uint32_t id;
	unsigned int perm; /* of R_OK and W_OK, after the mask */
};

struct hf_access {
	struct stat st; /* st_nlink 0: the file is absent, and only root and the caller count */
	struct hf_access_entry entries[HF_ACCESS_ENTRIES]; /* the owning group is among them */
	size_t count;
	unsigned int other; /* what all others may */
};

enum hf_member { HF_MEMBER_NO, HF_MEMBER_YES, HF_MEMBER_UNKNOWN };

/* Read what decides on fd, which may be opened with O_PATH. On failure the status is that of
 * fstat(2) or of reading the ACL; an ACL of more entries than fit is HF_UNAVAILABLE. */
enum hf_status hf_access_read(struct hf_access *access, int fd, const char *path,
			      struct hf_err *err);

/* May the user do all of perm (R_OK | W_OK)? HF_MEMBER_UNKNOWN: that depends on a group, and the
 * system does not know this user. */
enum hf_member hf_access_permits(const struct hf_access *access, uid_t uid, unsigned int perm);

/* Return true if each user who may do any of perm with `inner` may do the same with `outer`. Root
 * and the user `except` (geteuid(), as a rule) are left out of the question. False where the system
 * cannot tell. */
bool hf_access_within(const struct hf_access *inner, const struct hf_access *outer,
		      unsigned int perm, uid_t except);

/* Does an attribute keep everybody, root too, from replacing or removing this: immutable, or append
 * only (chattr +i, +a)? name NULL: the directory itself, and all names in it. */
bool hf_access_is_fixed(int dir, const char *name);

/* Is the user a member of the group, by the user database? */
enum hf_member hf_is_member(uid_t uid, gid_t gid);

/* Return true if these are one user: false for the overflow id where that is nobody's own. */
bool hf_same_user(uid_t a, uid_t b);
bool hf_same_group(gid_t a, gid_t b);

#endif
