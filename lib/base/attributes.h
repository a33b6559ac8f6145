/* SPDX-License-Identifier: ISC */
#ifndef HF_ATTRIBUTES_H
#define HF_ATTRIBUTES_H

/*
 * A file's attributes, carried over to the one that replaces it.
 *
 * There is one order that keeps them all: the owner first (chown clears setuid and capabilities),
 * then extended attributes, while the mode is still one under which we may set them, then the mode,
 * and an ACL last (chmod recomputes its mask). An ACL that the new file has from its directory's
 * default and the old one has not is taken off.
 *
 * Where the owner or the group cannot be kept, the setuid or setgid bit goes with it; that is no
 * error. Under another group the group's permissions would be those of other users. So group and
 * others keep only what both the old group and others had: 0640 becomes 0600, and 0644 stays. The
 * same holds for the owning group's entry of an ACL. No file becomes open to a user to whom the old
 * one was not. An attribute of user.* or an ACL that cannot be kept is one (HF_UNAVAILABLE,
 * HF_NOPERM, HF_IO). What the system keeps for itself (security.*, trusted.*) and does not let us
 * set is left out; security.ima and security.evm, which are hashes of the content, never go along.
 *
 * Changes only `to`, and does not sync it. Thread-safe; not async-signal-safe.
 */

#include <sys/stat.h>

#include <holdfast/err.h>

/* Give `to` the owner, group, mode, ACL and extended attributes of `from`, whose stat is st. name
 * is for messages. */
enum hf_status hf_copy_attributes(int from, int to, const struct stat *st, const char *name,
				  struct hf_err *err);

/* Give `to` owner and group likewise, and let exactly those users read and write it who may both
 * read and write `from`. `to` is new, and has no other attributes. */
enum hf_status hf_share_access(int from, int to, const struct stat *st, const char *name,
			       struct hf_err *err);

#endif
