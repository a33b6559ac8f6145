/* SPDX-License-Identifier: ISC */
#ifndef HF_PUBLISH_H
#define HF_PUBLISH_H

/*
 * Give a finished new file its name: the temporary name, the rename, the sync of the directory.
 *
 *	replace		hf_publish_name(), hf_publish_rename() or _exchange(), hf_publish_sync()
 *	create		hf_publish_create(), hf_publish_sync()
 *
 * The content must be synced before the target's name leads to it (atomic/A1): before the first
 * step, or, if hf_publish_syncs_late(), between the temporary name and the target's name.
 * README.md says why names are exchanged. The new file is locked from its naming on, by its
 * descriptor. Never waits. A crash leaves a temporary name, which the next run removes. Errors as
 * in holdfast/err.h. Thread-safe for different targets; not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/err.h>
#include <holdfast/path.h>

/* fsync(2), repeated if a signal interrupts it. Any other failure is final: the kernel takes the
 * pages for clean from then on. Return -1 with errno. */
int hf_publish_fsync(int fd);

/* Return true if fd, which has no name yet, must be synced after it has one (btrfs). */
bool hf_publish_syncs_late(int fd);

/* The side file name WHAT is taken. HF_OK: it was a leftover, and is free now. HF_NO: use the other
 * name that is now in `name`, with *number in it. */
enum hf_status hf_publish_clear(const struct hf_target *target, const char *what, uint32_t *number,
				char name[NAME_MAX + 1]);

/* Give fd its temporary name and return that in `name`: ".holdfast.NAME.SIDE", with *number 0, or
 * one with a number (base/side_file.h), which is then in *number. A file that was written under a
 * name of its own keeps it, unless number is not NULL. */
enum hf_status hf_publish_name(const struct hf_target *target, int fd, const char *side,
			       uint32_t *number, char name[NAME_MAX + 1], struct hf_err *err);

/* Replace the target only if it is the file with this stat. HF_BUSY with errnum EEXIST: another
 * file has the target's name, or none has. `name` then is as before, and may be removed. */
enum hf_status hf_publish_exchange(const struct hf_target *target, int fd, const char *name,
				   const struct stat *old, struct hf_err *err);

/* Rename from the temporary name to the target's, which may be taken or free. */
enum hf_status hf_publish_rename(const struct hf_target *target, const char *name,
				 struct hf_err *err);

/* Link to the target's name, which is free. `name` is the one under which the file was written, or
 * "". HF_NO: the target's name is taken now. */
enum hf_status hf_publish_create(const struct hf_target *target, int fd, const char *name,
				 struct hf_err *err);

/* Sync the directory. Return HF_UNCERTAIN if that fails. */
enum hf_status hf_publish_sync(const struct hf_target *target, struct hf_err *err);

#endif
