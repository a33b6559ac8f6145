/* SPDX-License-Identifier: ISC */
#ifndef HF_INDEX_STAT_H
#define HF_INDEX_STAT_H

/*
 * Write files' times into an index that git(1) has changed, so that Git need not read the files,
 * and need not run their filters again.
 *
 * Changes fields of a fixed length in place, and the checksum: for an index file that has no other
 * link. A crash leaves an index file that is not used. Never waits.
 */

#include "git/repo_backend.h"

/* Write the files' times, which the changes name, into their entries of the index file `name`, and
 * its new checksum. Entries that cannot be found stay as they are: Git will read those files. */
enum hf_status hf_index_set_stat(struct hf_repo *repo, const char *name,
				 const struct hf_repo_change *changes, size_t count,
				 struct hf_err *err);

#endif
