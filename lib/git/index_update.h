/* SPDX-License-Identifier: ISC */
#ifndef HF_INDEX_UPDATE_H
#define HF_INDEX_UPDATE_H

/*
 * Replace the index, under index.lock.
 *
 *	hf_index_prepare()	make a copy, index.holdfast, and change it in memory; refuse what
 *				cannot be changed
 *	hf_index_change()	write the copy, sync it, and rename it over index (git/R2, git/R6)
 *
 * No other process changes the index under index.lock. A change that was prepared before the commit
 * point of a record can therefore be put in place after it without reading the index again.
 *
 * Never waits. A crash leaves index.holdfast and index.holdfast.lock, which the next run removes.
 */

#include "git/repo_backend.h"

#define HF_NEW_INDEX "index.holdfast"

/* Prepare or make these changes. The caller holds index.lock, and keeps the paths until
 * hf_index_change() or hf_index_abort(). Changes other than the prepared ones are prepared
 * again. */
enum hf_status hf_index_prepare(struct hf_repo *repo, const struct hf_repo_change *changes,
				size_t count, struct hf_err *err);
enum hf_status hf_index_change(struct hf_repo *repo, const struct hf_repo_change *changes,
			       size_t count, struct hf_err *err);
void hf_index_abort(struct hf_repo *repo);

#endif
