/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_FILE_H
#define HF_STATUS_FILE_H

/*
 * The source of lock-status for files and directories.
 *
 * README.md says how a file or directory is recognised as a lock (status/I1 to I3). Files are
 * opened for reading, without blocking, and only if they are regular; all others are examined with
 * O_PATH. Thread-safe.
 */

#include "status/status.h"

/* Add the rows for path. HF_OK: at least one row. HF_CANTCREAT: its directory does not exist.
 * HF_NOPERM: its directory may not be searched. */
enum hf_status hf_status_path(struct hf_lock_status *list, const char *path, struct hf_err *err);

/* Add the rows for the turnstile at this path, if it exists. */
enum hf_status hf_status_turnstile(struct hf_lock_status *list, const char *path,
				   struct hf_err *err);

/* Add a row for every lock of the kernel's table, sorted by path. Owner information in the files is
 * read. */
enum hf_status hf_status_all(struct hf_lock_status *list, struct hf_err *err);

#endif
