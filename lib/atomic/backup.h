/* SPDX-License-Identifier: ISC */
#ifndef HF_BACKUP_H
#define HF_BACKUP_H

/*
 * Keep the old content as NAME+suffix before it is replaced: a second name of the old inode, or a
 * copy if the file system allows none. At every instant the backup is the whole older or the whole
 * old content.
 *
 *	hf_backup_check(), lock and check the target (hf_backup_explains()), hf_backup(), replace it
 *
 * The caller holds the target's lock. Errors as in holdfast/err.h; the target is never touched.
 * Never waits. A crash leaves ".holdfast.NAME.bak", or a target with two names, which
 * hf_backup_explains() recognises. Thread-safe for different targets; not async-signal-safe.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/path.h>

/* Return HF_OK if NAME+suffix can be a file name, else HF_USAGE or the error. */
enum hf_status hf_backup_check(const struct hf_target *target, const char *suffix,
			       struct hf_err *err);

/* st says that the target has two names: return true if the second one is an unused backup of a
 * dead process. If it still is the side name, it is removed. suffix may be NULL. */
bool hf_backup_explains(const struct hf_target *target, const struct stat *st, const char *suffix);

/* Keep the target's content. fd is the target, or -1 if that is a symbolic link. sync: sync a copy;
 * a second name needs no sync. */
enum hf_status hf_backup(const struct hf_target *target, int fd, const struct stat *st,
			 const char *suffix, bool sync, struct hf_err *err);

#endif
