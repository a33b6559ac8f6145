/* SPDX-License-Identifier: ISC */
#ifndef HF_INDEX_CHECK_H
#define HF_INDEX_CHECK_H

/*
 * Check that a Git index is intact: header, version, number of entries, checksum (README.md says
 * why).
 *
 * One pass over the file, and over the base of a split index. Changes and waits for nothing.
 * Errors: HF_DATA with advice; HF_IO and the like. Thread-safe.
 */

#include "git/repo_backend.h"

/* Check the index file `name` in the git directory. An absent index is intact. */
enum hf_status hf_index_check(const struct hf_repo *repo, const char *name, struct hf_err *err);

/* Map an index file. HF_NO: it is absent. The caller unmaps it. */
struct hf_index_bytes {
	const unsigned char *at;
	size_t size;
};
enum hf_status hf_index_map(const struct hf_repo *repo, const char *name,
			    struct hf_index_bytes *bytes, struct hf_err *err);
void hf_index_unmap(const struct hf_index_bytes *bytes);

/* Report that the index is damaged, and why. Return HF_DATA. */
enum hf_status hf_index_damaged(const struct hf_repo *repo, const char *why, struct hf_err *err);

/* Add the advice for an index that cannot be read. */
void hf_index_advise(const struct hf_repo *repo, struct hf_err *err);

#endif
