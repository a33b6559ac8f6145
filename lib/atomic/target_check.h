/* SPDX-License-Identifier: ISC */
#ifndef HF_REFUSE_H
#define HF_REFUSE_H

/*
 * Refuse the targets that must not be replaced: files that are not regular, files with several
 * hard links, live SQLite databases (sqlite_live.h).
 *
 *	hf_target_check_kind() before the lock, hf_target_check() under it
 *
 * A refusal is HF_DATA with advice. Only the name of an unfinished backup (backup.h) is removed.
 * Never waits; a crash leaves nothing. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/path.h>

/* Refuse by the kind of the file. */
enum hf_status hf_target_check_kind(const struct hf_target *target, const struct stat *st,
				    struct hf_err *err);

/* Check everything, under the target's lock. fd is the target, st its stat. links: several names
 * are permitted. backup is the suffix of a backup, or NULL. */
enum hf_status hf_target_check(const struct hf_target *target, int fd, const struct stat *st,
			       bool links, const char *backup, struct hf_err *err);

/* For the image of a database: refuse if a log of an earlier database is beside its name. SQLite
 * would read that log into the image. (If that database still exists, it is live, and
 * hf_target_check() refuses it.) */
enum hf_status hf_target_check_image(const struct hf_target *target, struct hf_err *err);

#endif
