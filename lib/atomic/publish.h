/* SPDX-License-Identifier: ISC */
#ifndef HF_PUBLISH_H
#define HF_PUBLISH_H

/*
 * Putting a finished new file into its place: the name, the rename, the directory's sync.
 *
 *	replace		hf_publish_name(), hf_publish_rename(), hf_publish_sync()
 *	create		hf_publish_create(), hf_publish_sync()
 *
 * The content must be on the disk before the target's name leads to it (holdfast/atomic.h, A1). As
 * a rule it is synced before it has any name. A btrfs may forget an unnamed file's sync when the
 * file gets a name: there it gets its temporary name first, is synced then, and moved to the
 * target's name, be that free or not (hf_publish_name() and hf_publish_create() with that name).
 *
 * From its name on the new file is locked, and stays so in its place: who locks it next finds it
 * durable. The lock belongs to the descriptor and goes with it.
 *
 * Content that was made from the target's old content must replace the very file that it was made
 * from. Where another program moves that file away in the last instant (a log that is rotated), a
 * rename would bring all of its records back under the old name. hf_publish_exchange() therefore
 * exchanges the two names (RENAME_EXCHANGE), which fails when the target's name is free, and
 * removes the old file under the temporary name. If the file that it finds there is another one,
 * both names are exchanged back. A crash in between leaves a temporary name, which is a leftover
 * like any other. Where the file system cannot exchange (NFS, FAT, much FUSE), it looks once more
 * and then renames; there the instant between the two remains.
 *
 * Never waits. Thread-safe for different targets; not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/err.h>
#include <holdfast/path.h>

/* fsync(2); a signal that comes in between says nothing of the disk. Any other failure is final:
 * the kernel takes the pages for clean from then on. -1 with errno. */
int hf_publish_fsync(int fd);

/* Is fd, which has no name yet, to be synced only when it has one? */
bool hf_publish_syncs_late(int fd);

/* The side file name WHAT is taken. HF_OK: it was a leftover, and is free now. HF_NO: take another
 * name; `name` is one, with *number in it. */
enum hf_status hf_publish_clear(const struct hf_target *target, const char *what, uint32_t *number,
				char name[NAME_MAX + 1]);

/* Give fd its temporary name into name: ".holdfast.NAME.SIDE", or one with a number
 * (base/side_file.h), which is then *number, else 0. A file that was staged under a name of its own
 * keeps it, unless number is not NULL: then it gets such a name, too. */
enum hf_status hf_publish_name(const struct hf_target *target, int fd, const char *side,
			       uint32_t *number, char name[NAME_MAX + 1], struct hf_err *err);

/* Replace the target, which is the file with this stat, and only that. HF_BUSY, errnum EEXIST:
 * another one has the target's name, or none has. `name` is then as it was, and may be removed. */
enum hf_status hf_publish_exchange(const struct hf_target *target, int fd, const char *name,
				   const struct stat *old, struct hf_err *err);

/* From the temporary name to the target's, replacing what is there, or nothing. */
enum hf_status hf_publish_rename(const struct hf_target *target, const char *name,
				 struct hf_err *err);

/* To the target's name, which is free; name is what it was staged under, or "". HF_NO: it is not
 * free any more. */
enum hf_status hf_publish_create(const struct hf_target *target, int fd, const char *name,
				 struct hf_err *err);

/* HF_UNCERTAIN if the directory cannot be synced. */
enum hf_status hf_publish_sync(const struct hf_target *target, struct hf_err *err);

#endif
