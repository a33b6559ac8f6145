/* SPDX-License-Identifier: ISC */
#ifndef HF_SYMLINK_H
#define HF_SYMLINK_H

/*
 * Replace a file by a symbolic link, or create a link, atomically and durably.
 *
 * At every instant the path names the whole old file, or the link. If the target is a file, it is
 * locked and checked as in holdfast/atomic.h. The link is made in a directory beside the target,
 * ".holdfast.NAME.tmp", and then renamed over the target; an absent target is created without
 * replacing a file that another process creates at the same time.
 *
 * Blocks like hf_atomic_commit(). A process that is killed leaves that directory until the next
 * run removes it. Errors as in holdfast/atomic.h. No signal is handled. Thread-safe; not
 * async-signal-safe.
 */

#include <holdfast/atomic.h>

/* Make path a symbolic link to `to`. The options mode, validate, allow_empty and step are ignored.
 * A link at path is always replaced itself. */
enum hf_status hf_atomic_symlink(const char *path, const char *to,
				 const struct hf_atomic_options *options, struct hf_err *err);

#endif
