/* SPDX-License-Identifier: ISC */
#ifndef HF_FILE_ID_H
#define HF_FILE_ID_H

/*
 * The identity of a file, by which it is recognised after all its descriptors were closed.
 *
 * It is the inode number and a witness: the file's handle or time of birth (README.md). Without a
 * witness equal numbers prove nothing (HF_SAME_UNSURE). An identity can be stored: it is valid
 * after a reboot. Compare only files of one directory. Thread-safe; not async-signal-safe.
 */

#include <stdint.h>

#include <holdfast/path.h>

enum hf_same { HF_SAME_NO, HF_SAME_YES, HF_SAME_UNSURE };

struct hf_file_id {
	uint64_t inode; /* 0: no file */
	uint64_t witness;
	uint32_t kind; /* of the witness; 0: no witness */
	uint32_t unused;
};

/* Return the identity of fd, which may be opened with O_PATH; "no file" if it cannot be read. */
struct hf_file_id hf_file_id_of(int fd);

/* Return the identity of this name in the directory, without following a link. */
struct hf_file_id hf_file_id_at(int dir, const char *name);

/* Open the regular file with this identity in the target's directory, whatever its name: a log may
 * have been rotated. -1: there is none. */
int hf_file_id_find(const struct hf_target *target, const struct hf_file_id *wanted, int flags);

/* Compare two identities. "No file" equals only "no file". */
enum hf_same hf_file_id_compare(const struct hf_file_id *a, const struct hf_file_id *b);

#endif
