/* SPDX-License-Identifier: ISC */
#ifndef HF_SIDE_FILE_H
#define HF_SIDE_FILE_H

/*
 * Open a file beside a target whose name is derived from the target's. This is the only way in
 * which such a file is opened.
 *
 * A side file is used only if it is a regular file with one link, its owner is root, the caller,
 * the target's owner or another user who may write the target, and no user may open it who may not
 * open the target. README.md has the details. Any other file is not used, and one notice names it
 * (hf_set_notice() in holdfast/err.h).
 *
 * Changes and waits for nothing; a FIFO or a device is not opened. Thread-safe; not
 * async-signal-safe.
 */

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/access.h"
#include <holdfast/path.h>

/* In place of the target's descriptor: the target is the file that its name leads to when the
 * rights on it are read. */
#define HF_TRUST_NAMED (-2)

/* Which side files are trusted: made once for a target, when the first side file is found. */
struct hf_trust {
	const struct hf_target *target;
	int fd;	    /* the target, opened in any way; -1: it is absent; or HF_TRUST_NAMED */
	bool quiet; /* give no notice about files that are not used */
	bool read;  /* access and dir are set */
	struct hf_access access, dir;
};

/* Set the target: fd, absent (-1), or HF_TRUST_NAMED. Reads nothing yet. Both stay the caller's,
 * and open as long as the trust is used. */
void hf_trust_init(struct hf_trust *trust, const struct hf_target *target, int fd);

/* Return true if the owner of this file in the target's directory is trusted. */
bool hf_trusts(struct hf_trust *trust, const struct stat *st);

/* Return true if only trusted users may create files in the target's directory. Then no name in it
 * is forged. */
bool hf_trusts_directory(struct hf_trust *trust);

/*
 * Names. A side file has a fixed name, ".holdfast.NAME.WHAT". If that name is taken by a file that
 * cannot be used and cannot be removed, it has another one, ".holdfast.NAME.XXXXXXXX.WHAT".
 */

/* Write the name with this number to out; number 0 means the fixed name. Return out. */
char *hf_side_name(const struct hf_target *target, const char *what, uint32_t number,
		   char out[NAME_MAX + 1]);

/* Return a random number for a name; never 0. */
uint32_t hf_side_number(void);

/* Return true if a name with a number is possible in this directory: a user who is not trusted can
 * create files in it, or it is sticky, so that only the owner of a file can remove it. */
bool hf_side_may_vary(struct hf_trust *trust);

/* Open the target's directory for reading; close it with closedir(3). NULL with errno. */
DIR *hf_side_list(const struct hf_target *target);

/* Return the next name with a number of a side file WHAT whose owner is trusted; NULL: there are no
 * more. */
const char *hf_side_next(DIR *dir, struct hf_trust *trust, const char *what);

/* Write the name of a user, or "user 4711", for messages. Return out. */
enum { HF_USER_SIZE = 80 };
char *hf_user_name(char out[HF_USER_SIZE], uid_t uid);

/* Give the notice that a file with this stat is ignored, once for each name. */
void hf_side_ignored(const struct hf_trust *trust, const char *name, const struct stat *st,
		     const char *why);

/* Return why fd, which has this stat, is not trusted. NULL: it is a regular file with one link, its
 * owner is trusted, and no user may write it who may not write the target. Unlike for
 * hf_side_open(), more users may read it. */
const char *hf_side_distrusts(struct hf_trust *trust, int fd, const struct stat *st);

/* Open `name` in the target's directory; flags is O_RDONLY or O_RDWR. HF_OK: *fd is open and *st
 * describes it. HF_NO: there is no such name. HF_NOPERM: it is not trusted (a notice said so, once
 * for each name), or, with err->errnum EACCES or EPERM, its owner is trusted but it cannot be
 * opened. Other: a failure of the system. */
enum hf_status hf_side_open(struct hf_trust *trust, const char *name, int flags, int *fd,
			    struct stat *st, struct hf_err *err);

/* The same for a file or directory that is only locked and removed, and neither read nor written:
 * its other names and its permissions do not matter, and its owner may also be a user who may
 * remove files there. It is opened for writing if possible. */
enum hf_status hf_side_open_leftover(struct hf_trust *trust, const char *name, int *fd,
				     struct stat *st, struct hf_err *err);

#endif
