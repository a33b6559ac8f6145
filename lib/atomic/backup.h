/* SPDX-License-Identifier: ISC */
#ifndef HF_BACKUP_H
#define HF_BACKUP_H

/*
 * The old content, kept as NAME+suffix before it is replaced.
 *
 * It is kept as a second name of the old inode, made beside (".holdfast.NAME.bak") and renamed, so
 * that the backup is at every instant the whole older or the whole old content, and nothing is
 * copied; where a file cannot have a second name (FAT, a mounted file, another's file under
 * fs.protected_hardlinks), as a copy. One sync of the directory makes backup and new content
 * durable together, in this order.
 *
 * Killed between the backup and the replacement, the target has two names. That is no reason to
 * refuse it as a file with hard links: hf_backup_explains() knows such a second name.
 *
 * All under the target's lock, which makes the side name ours; if that cannot be removed, because
 * another user put something there, another name is taken (base/side_file.h). Thread-safe for
 * different targets; not async-signal-safe. Errors as in holdfast/err.h; the target is never
 * touched.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/path.h>

/* Is this a suffix with which a name can be made? */
enum hf_status hf_backup_check(const struct hf_target *target, const char *suffix,
			       struct hf_err *err);

/* The target's second name (st says that it has two): is it a backup that a dead one did not get
 * to use? One that is only on its way is removed. suffix may be NULL. */
bool hf_backup_explains(const struct hf_target *target, const struct stat *st, const char *suffix);

/* Keep the target's content; fd is the target or, if that is a symbolic link, -1. sync: a copy is
 * synced (a second name needs none). */
enum hf_status hf_backup(const struct hf_target *target, int fd, const struct stat *st,
			 const char *suffix, bool sync, struct hf_err *err);

#endif
