/* SPDX-License-Identifier: ISC */
#ifndef HF_TEMPFILE_H
#define HF_TEMPFILE_H

/*
 * A new file before it has its name, and the leftovers of dead creators.
 *
 * The file has no name (O_TMPFILE), or a temporary one where the file system has no unnamed files.
 * A temporary name exists only while its creator holds flock(2) on the inode; README.md has the
 * rules.
 *
 * Never waits. A killed creator leaves nothing, or one name that the next process removes.
 * Thread-safe; not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include <holdfast/err.h>
#include <holdfast/path.h>

/* Open a new file in the target's directory for reading and writing, locked if it has a name; name
 * is then that name, otherwise "". Remove leftovers with temporary names. */
enum hf_status hf_tempfile_open(const struct hf_target *target, mode_t mode, int *fd,
				char name[NAME_MAX + 1], struct hf_err *err);

/* Open a new unnamed file in TMPDIR, or /tmp, for data of this process. Return -1 with errno. */
int hf_tempfile_unnamed(void);

/* Give the unnamed file a name. HF_NO: the name is taken. */
enum hf_status hf_tempfile_link(const struct hf_target *target, int fd, const char *name,
				struct hf_err *err);

/* Close the file, and remove the name that hf_tempfile_open() gave it. Keep errno. */
void hf_tempfile_discard(const struct hf_target *target, int fd, const char *name);

/* Rename the file from its name to another, or link it there if it has none (""). HF_NO: the new
 * name is taken. */
enum hf_status hf_tempfile_name(const struct hf_target *target, int fd, const char *from,
				const char *to, struct hf_err *err);

/* Report by errno that the target cannot be replaced, or that its directory was removed (HF_BUSY).
 */
enum hf_status hf_fail_replace(const struct hf_target *target, struct hf_err *err);

/* Remove a temporary name if it is a leftover. HF_OK: it does not exist now. HF_BUSY: its creator
 * lives. Other: it cannot be judged, or its owner is not trusted (base/side_file.h). */
enum hf_status hf_tempfile_reap(const struct hf_target *target, const char *name);

/* The same for all side files WHAT with a number in their names whose owners are trusted. Give no
 * notice about others. */
void hf_tempfile_reap_all(const struct hf_target *target, const char *what);

#endif
