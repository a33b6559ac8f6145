/* SPDX-License-Identifier: ISC */
#ifndef DISK_H
#define DISK_H

/*
 * A disk whose power can be cut: an image file in memory, a loop device, a file system.
 *
 * Three ways to cut. All leave exactly what the file system has sent to the disk:
 *
 *	DISK_NOLOG	the file system's shutdown ioctl: from now on nothing reaches the disk
 *	DISK_LOG	the same, but the journal alone still does: metadata without data, the cut
 *			that comes after the kernel's own commit
 *	DISK_COPY	the image is copied while it is in use, and the copy becomes the disk
 *
 * then the file system is unmounted and mounted again, and recovers. btrfs cannot be shut down and
 * is always copied, for DISK_LOG after a commit.
 *
 * All of it exists only in a mount namespace of this process and its children: when they are gone,
 * however they went, so are the mounts, the loop devices (autoclear) and the memory. Needs root.
 */

#include <stdbool.h>

enum disk_cut { DISK_NOLOG, DISK_LOG, DISK_COPY };
extern const char *const disk_cuts[]; /* their names */
bool disk_cut_named(const char *name, enum disk_cut *how);

/* Make the file system, mounted at disk_root(), in the directory `where`, which is made and becomes
 * a tmpfs: ext4, xfs, btrfs; or a tmpfs of 1 MiB, which has no power to be cut. */
void disk_make(const char *where, const char *fs);
const char *disk_root(void);

/* Everything written so far is durable. */
void disk_sync(void);

/* The commit that btrfs makes every so often: names, but no data without a request. Nothing
 * is done for other file systems: their commit keeps the order of all earlier changes. */
void disk_commit(void);

/* Stop the disk; then, when no process uses it any more, bring it back. */
void disk_cut(enum disk_cut how);
void disk_back(void);

#endif
