/* SPDX-License-Identifier: ISC */
#ifndef HF_STAGE_H
#define HF_STAGE_H

/*
 * The new file, before anybody can see it, and what a dead maker left of it.
 *
 * A file is staged without a name (O_TMPFILE), so that it is gone when its maker dies. It gets a
 * name only at the last instant, by linkat(2) of the descriptor itself (AT_EMPTY_PATH; kernels
 * before 6.10 want a privilege for that, and go by way of /proc/self/fd). Where unnamed files are
 * not to be had (NFS, FAT, some FUSE), it is staged under ".holdfast.NAME.XXXXXXXX.tmp".
 *
 * A temporary name exists only while its maker holds flock(2) on the inode. Where the name comes
 * before the lock, because it must, the maker looks after locking whether the name is still there.
 * So a name whose inode can be locked is litter, and is removed under that lock, after a check that
 * it still stands for that inode. A name that cannot be judged is left where it is.
 *
 * Never waits. A killed maker leaves nothing, or one name that the next one removes. Thread-safe;
 * not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include <holdfast/err.h>
#include <holdfast/path.h>

/* Open a new file in the target's directory for reading and writing, locked if it has a name;
 * name is then that name, else "". Litter of others who staged under names is removed. */
enum hf_status hf_tempfile_open(const struct hf_target *target, mode_t mode, int *fd,
				char name[NAME_MAX + 1], struct hf_err *err);

/* Give the unnamed file its name. HF_NO: the name is taken. */
enum hf_status hf_tempfile_link(const struct hf_target *target, int fd, const char *name,
				struct hf_err *err);

/* Move a file from its name to another one. HF_NO: that is taken. */
enum hf_status hf_tempfile_move(const struct hf_target *target, const char *from, const char *to,
				struct hf_err *err);

/* A temporary name is in the way, or may be. HF_OK: it is there no more. HF_BUSY: its maker lives.
 * Anything else: it cannot be judged, or is not a trusted user's (base/side_file.h). */
enum hf_status hf_tempfile_reap(const struct hf_target *target, const char *name);

/* The same for all side files WHAT whose names have a number, of trusted users; no notice tells of
 * others. */
void hf_tempfile_reap_all(const struct hf_target *target, const char *what);

#endif
