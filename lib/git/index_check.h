/* SPDX-License-Identifier: ISC */
#ifndef HF_INDEX_FILE_H
#define HF_INDEX_FILE_H

/*
 * Is a Git index whole?
 *
 * Git writes a checksum behind the index, and does not look at it when it reads one; nor does it
 * see in every case that a file ends too early. Who changes a damaged index writes it anew, with a
 * checksum that is right: from then on nobody can tell. So it is looked at first (gitformat-index):
 *
 *	DIRC, the version (2, 3 or 4), the number of entries … checksum of all before
 *
 * A checksum of zeros says that none was made (index.skipHash). A split index names the shared one
 * that it is based on, sharedindex.HASH, by its checksum; that is looked at too.
 *
 * One pass over the file. Nothing is changed or waited for; thread-safe. Errors: HF_DATA, with what
 * to do about it; HF_IO and the like.
 */

#include "git/repo_backend.h"

/* The index file `name` in the Git directory; one that is absent is whole. */
enum hf_status hf_index_check(const struct hf_repo *repo, const char *name, struct hf_err *err);

/* HF_DATA: the index is damaged, and why. */
enum hf_status hf_index_damaged(const struct hf_repo *repo, const char *why, struct hf_err *err);

/* What to do about an index that cannot be read. */
void hf_index_advise(const struct hf_repo *repo, struct hf_err *err);

#endif
