/* SPDX-License-Identifier: ISC */
#ifndef HF_PUBLISH_H
#define HF_PUBLISH_H

/*
 * Putting a finished new file into its place: the name, the rename, the directory's sync.
 *
 *	replace		hf_publish_name(), hf_publish_rename(), hf_publish_sync()
 *	create		hf_publish_create(), hf_publish_sync()
 *
 * The content must be on the disk before the target's name leads to it (atomic.h, A1). As a rule it
 * is synced before it has any name. A btrfs may forget an unnamed file's sync when the file gets a
 * name: there it gets its temporary name first, is synced then, and moved to the target's name, be
 * that free or not (hf_publish_name() and hf_publish_create() with that name).
 *
 * From its name on the new file is locked, and stays so in its place: who locks it next finds it
 * durable. The lock belongs to the descriptor and goes with it.
 *
 * Waits only for a temporary name that a living maker has: that can only be one who lost the
 * target to a stranger's rename. Thread-safe for different targets; not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "path.h"

/* fsync(2); a signal that comes in between says nothing of the disk. Any other failure is final:
 * the kernel takes the pages for clean from then on. -1 with errno. */
int hf_publish_fsync(int fd);

/* Is fd, which has no name yet, to be synced only when it has one? */
bool hf_publish_syncs_late(int fd);

/* Something has the name that we want, a temporary one. HF_OK: try again now (it was litter), or
 * after a wait. HF_NO: take another name. HF_BUSY: not before the deadline. *tries counts. */
enum hf_status hf_publish_clear(const struct hf_target *target, const char *name, int64_t deadline,
				unsigned int *tries, struct hf_err *err);

/* Give fd its temporary name, ".holdfast.NAME.SIDE", into name; a file that was staged under a
 * name of its own keeps it, unless `fixed` says that it must be this one. */
enum hf_status hf_publish_name(const struct hf_target *target, int fd, const char *side, bool fixed,
			       int64_t deadline, char name[NAME_MAX + 1], struct hf_err *err);

/* From the temporary name to the target's, replacing what is there. */
enum hf_status hf_publish_rename(const struct hf_target *target, const char *name,
				 struct hf_err *err);

/* To the target's name, which is free; name is what it was staged under, or "". HF_NO: it is not
 * free any more. */
enum hf_status hf_publish_create(const struct hf_target *target, int fd, const char *name,
				 struct hf_err *err);

/* HF_UNCERTAIN if the directory cannot be synced. */
enum hf_status hf_publish_sync(const struct hf_target *target, struct hf_err *err);

#endif
