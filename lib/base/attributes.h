/* SPDX-License-Identifier: ISC */
#ifndef HF_ATTRIBUTES_H
#define HF_ATTRIBUTES_H

/*
 * Copy a file's attributes to the file that replaces it: owner, group, mode, ACL, extended
 * attributes.
 *
 * README.md has the order, and what is dropped or left out. No file becomes open to a user to whom
 * the old one was not. Errors: HF_UNAVAILABLE, HF_NOPERM, HF_IO for an attribute of user.* or an
 * ACL that cannot be kept. Changes only `to`, and does not sync it. Thread-safe; not
 * async-signal-safe.
 */

#include <sys/stat.h>

#include <holdfast/err.h>

/* Give `to` the attributes of `from`, whose stat is st. name is for messages. */
enum hf_status hf_copy_attributes(int from, int to, const struct stat *st, const char *name,
				  struct hf_err *err);

/* Give the new file `to` the owner and group of `from`, as above, and let exactly those users read
 * and write it that may both read and write `from`. Copy no other attribute. */
enum hf_status hf_share_access(int from, int to, const struct stat *st, const char *name,
			       struct hf_err *err);

#endif
