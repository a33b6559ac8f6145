/* SPDX-License-Identifier: ISC */
#ifndef HF_INDEX_UPDATE_H
#define HF_INDEX_UPDATE_H

/*
 * Replace the index, under index.lock.
 *
 *	prepare	link index.holdfast.XXXXXXXX: the index as it is, by another name. A back end
 *		reads it whole, and makes the changes
 *	change	the back end has that file be the new index; it is renamed over index, with
 *		the old one's mode and time (git/repo.h, R6), and synced (R2)
 *
 * No other process changes the index under index.lock. A change that was prepared before the commit
 * point of a record can therefore be put in place after it without reading the index again.
 *
 * The name has random digits, so that no user can take it, or its ".lock", before it is used: after
 * the commit point the change cannot be refused any more.
 *
 * Never waits. A crash leaves that file and its ".lock", which the next one removes.
 */

#include "git/repo_backend.h"

#define HF_NEW_INDEX "index.holdfast" /* what its name begins with */

/* Prepare or make these changes. The caller holds index.lock, and keeps the paths until
 * hf_index_change() or hf_repo_cancel(). Changes other than the prepared ones are prepared
 * again. */
enum hf_status hf_index_prepare(struct hf_repo *repo, const struct hf_repo_change *changes,
				size_t count, struct hf_err *err);
enum hf_status hf_index_change(struct hf_repo *repo, const struct hf_repo_change *changes,
			       size_t count, struct hf_err *err);
void hf_repo_cancel(struct hf_repo *repo);

#endif
