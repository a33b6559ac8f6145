/* SPDX-License-Identifier: ISC */
#ifndef HF_SYMLINK_H
#define HF_SYMLINK_H

/*
 * Replacing a file by a symbolic link, atomically and durably.
 *
 * A link cannot be made without a name, and cannot be locked. So it is made in a directory of its
 * own beside the target, ".holdfast.NAME.tmp", which its maker locks: to those who look for litter
 * (base/tempfile.h) that is a temporary name like any other. Then
 *
 *	lock the target, if it is a file, and judge it (atomic/target_claim.h)
 *	rename the link over it; where nothing was, by a rename that replaces nothing
 *	remove the directory; fsync the target's directory
 *
 * Blocks as holdfast/atomic.h says. Killed in between, it leaves the directory to the next run.
 * Errors as in holdfast/atomic.h. Thread-safe; not async-signal-safe.
 */

#include <holdfast/atomic.h>

/* Make path a symbolic link to `to`. Of the options, mode, validate, allow_empty and step do not
 * matter, and a link at path is always replaced itself. */
enum hf_status hf_atomic_symlink(const char *path, const char *to,
				 const struct hf_atomic_options *options, struct hf_err *err);

#endif
