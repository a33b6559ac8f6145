/* SPDX-License-Identifier: ISC */
#ifndef HF_REFUSE_H
#define HF_REFUSE_H

/*
 * What must not be replaced: refusals (HF_DATA), each with what to do instead.
 *
 * Replacing gives a name a new inode. That is wrong for what is not a regular file (a FIFO or a
 * device is a meeting place, not a content), for a file with several names (the others would keep
 * the old content), and for a live SQLite database (atomic/sqlite_live.h). How many names it has is
 * asked of the file system, not of what the kernel remembers of it.
 *
 * Nothing is changed, but for a name that a dead backup left (atomic/backup.h). Never waits.
 * Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/path.h>

/* By its kind. */
enum hf_status hf_target_check_kind(const struct hf_target *target, const struct stat *st,
				    struct hf_err *err);

/* By everything, under its lock: fd is the target, st its stat. links: several names are all right.
 * backup is the suffix of a backup, or NULL. */
enum hf_status hf_target_check(const struct hf_target *target, int fd, const struct stat *st,
			       bool links, const char *backup, struct hf_err *err);

/* For the image of a database: beside its place lies the log of one that was there before. SQLite
 * would read that into the image. (If it is there still, it is live, and hf_target_check()'s.) */
enum hf_status hf_target_check_image(const struct hf_target *target, struct hf_err *err);

#endif
