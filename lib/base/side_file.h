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
 * Whether a user may write the target is a question of owner, mode and ACL (base/access.h). If it
 * depends on a group and the system does not know the user, the side file must have the target's
 * group, and the directory must be one in which only root, the target's owner and that group can
 * make files.
 *
 * Anything else is not used. The caller then goes on without it, or under another name; one notice
 * names the file and its owner (hf_set_notice() in holdfast/err.h).
 *
 * Nothing is changed, and nothing waited for: a FIFO or a device is not even opened. Thread-safe;
 * not async-signal-safe.
 */

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/access.h"
#include <holdfast/path.h>

/* In place of the target's descriptor: the target is what its name leads to when that matters. */
#define HF_TRUST_NAMED (-2)

/* Whose side files are trusted: made once for a target, when the first side file is found. */
struct hf_trust {
	const struct hf_target *target;
	int fd;	    /* the target, open in any way; -1: it is absent; or HF_TRUST_NAMED */
	bool quiet; /* no notice tells of what is not used */
	bool read;  /* the two below are filled in */
	struct hf_access access, dir;
};

/* The target is fd, absent (-1), or HF_TRUST_NAMED. Reads nothing yet; both stay the caller's, and
 * open as long as the trust is used. */
void hf_trust_init(struct hf_trust *trust, const struct hf_target *target, int fd);

/* Is a file with this stat, in the target's directory, from a user whom the target trusts? */
bool hf_trusts(struct hf_trust *trust, const struct stat *st);

/* Can only trusted users make a file in the target's directory? Then no name in it is forged. */
bool hf_trusts_directory(struct hf_trust *trust);

/*
 * Names. A side file has a fixed name, ".holdfast.NAME.WHAT". Where that name is taken by something
 * that cannot be used, and cannot be removed, it has another one, ".holdfast.NAME.XXXXXXXX.WHAT".
 * hf_side_may_vary() says whether that can be the case in this directory: some user who is not
 * trusted can make files in it, or it is sticky, so that a file's owner alone can remove it.
 */

/* The name with this number into out; number 0: the fixed one. Returns out. */
char *hf_side_name(const struct hf_target *target, const char *what, uint32_t number,
		   char out[NAME_MAX + 1]);

/* A number that no other file is likely to have. */
uint32_t hf_side_number(void);

bool hf_side_may_vary(struct hf_trust *trust);

/* The target's directory, to be read and closed by closedir(3); NULL with errno. */
DIR *hf_side_list(const struct hf_target *target);

/* The next side file WHAT of a trusted owner in the directory whose name has a number; NULL: there
 * is no further one. */
const char *hf_side_next(DIR *dir, struct hf_trust *trust, const char *what);
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
 * describes it. HF_NO: there is no such name. HF_NOPERM: it is not to be used (a notice said so,
 * once for a name), or, with err->errnum EACCES or EPERM, it is a trusted user's and cannot be
 * opened. Anything else is the system's failure. */
enum hf_status hf_side_open(struct hf_trust *trust, const char *name, int flags, int *fd,
			    struct stat *st, struct hf_err *err);

/* The same for a file or directory that is only locked and removed, and neither read nor written
 * to: its other names and its permissions do not matter, and its owner may also be a user who may
 * remove files there. It is opened for writing if possible. */
enum hf_status hf_side_open_leftover(struct hf_trust *trust, const char *name, int *fd,
				     struct stat *st, struct hf_err *err);

#endif
