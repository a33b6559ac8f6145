/* SPDX-License-Identifier: ISC */
#ifndef HF_SIDE_FILE_H
#define HF_SIDE_FILE_H

/*
 * Side files: what lies beside a target under a name that holdfast derives from the target's. This
 * is the only way in which such a file is opened; a test looks for any other.
 *
 * A name beside a target may have been made by another user. A side file is used only if all of
 * this holds, for the very inode that is open:
 *
 *	- it is a regular file with one name, and was reached through no symbolic link
 *	- its owner is trusted: root, the caller, the target's owner, or another user who may write
 *	  the target, and so could do to it by hand what the side file asks for
 *	- it is open to nobody to whom the target is not
 *
 * Whether a user may write the target is a question of owner, mode and ACL (access.h). If it
 * depends on a group and the system does not know the user, the side file must have the target's
 * group, and the directory must be one in which only root, the target's owner and that group can
 * make files.
 *
 * Anything else is not used. The caller then goes on without it, or under another name; one notice
 * names the file and its owner (hf_set_notice() in err.h).
 *
 * Nothing is changed, and nothing waited for: a FIFO or a device is not even opened. Thread-safe;
 * not async-signal-safe.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include "access.h"
#include "path.h"

/* Whose side files are trusted: made once for a target, when the first side file is found. */
struct hf_trust {
	const struct hf_target *target;
	int fd;	   /* the target, open in any way; -1: it is absent */
	bool read; /* the two below are filled in */
	struct hf_access access, dir;
};

/* The target is fd, or absent (-1). Reads nothing yet; both stay the caller's, and open as long as
 * the trust is used. */
void hf_trust_init(struct hf_trust *trust, const struct hf_target *target, int fd);

/* Is a file with this stat, in the target's directory, from a user whom the target trusts? */
bool hf_trusts(struct hf_trust *trust, const struct stat *st);

/* Can only trusted users make a file in the target's directory? Then no name in it is forged. */
bool hf_trusts_directory(struct hf_trust *trust);

/* The name of a user, or "user 4711", for messages. Returns out. */
enum { HF_USER_SIZE = 80 };
char *hf_user_name(char out[HF_USER_SIZE], uid_t uid);

/* The notice that a file with this stat is ignored; once for a name. */
void hf_side_ignored(const struct hf_trust *trust, const char *name, const struct stat *st,
		     const char *why);

/* Why is fd, which has this stat, not to be believed? NULL: it is a regular file with one name, its
 * owner is trusted, and no user may write to it who may not write to the target. Other than with
 * hf_side_open() it may be readable to more users. */
const char *hf_side_distrusts(struct hf_trust *trust, int fd, const struct stat *st);

/* Open `name` in the target's directory: flags is O_RDONLY or O_RDWR. HF_OK: *fd is open, and *st
 * describes it. HF_NO: there is no such name. HF_NOPERM: it is not to be used, or cannot be opened;
 * a notice said so, once for a name. Anything else is the system's failure. */
enum hf_status hf_side_open(struct hf_trust *trust, const char *name, int flags, int *fd,
			    struct stat *st, struct hf_err *err);

#endif
