/* SPDX-License-Identifier: ISC */
#ifndef HF_FILE_ID_H
#define HF_FILE_ID_H

/*
 * The identity of a file, to be recognised again after all its descriptors were closed.
 *
 * An inode number is not one: ext4 gives the number of a removed file to the next file at once. A
 * second witness decides. It is the file's handle, which has the inode's generation
 * (name_to_handle_at(2), no privilege needed), or the time of its birth where the file system has
 * no handles, or has none that last (FUSE). Where there is neither, equal numbers prove nothing,
 * and HF_SAME_UNSURE says so.
 *
 * An identity may be kept on disk: it is valid after a reboot. The device is not part of it, since
 * its number may change; compare only files of one directory. Thread-safe; not async-signal-safe.
 */

#include <stdint.h>

#include <holdfast/path.h>

enum hf_same { HF_SAME_NO, HF_SAME_YES, HF_SAME_UNSURE };

struct hf_file_id {
	uint64_t inode; /* 0: no file */
	uint64_t witness;
	uint32_t kind; /* of the witness; 0: there is none */
	uint32_t unused;
};

/* fd may be opened with O_PATH. If it cannot be read, the identity is that of no file. */
struct hf_file_id hf_file_id_of(int fd);

/* The identity of what this name in the directory is, no link followed. */
struct hf_file_id hf_file_id_at(int dir, const char *name);

/* A regular file of this identity in the target's directory, whatever its name, as a log has that
 * was rotated. -1: there is none. */
int hf_file_id_find(const struct hf_target *target, const struct hf_file_id *wanted, int flags);

/* No file is the same as no file, and another than each file. */
enum hf_same hf_file_id_compare(const struct hf_file_id *a, const struct hf_file_id *b);

#endif
