/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_INDEX_H
#define HF_REPO_INDEX_H

/*
 * The replacing of the index, under index.lock (git/index_lock.h).
 *
 *	prepare	link index.holdfast.XXXXXXXX: the index as it is, by another name. A back end
 *		reads it whole, and makes the changes
 *	change	the back end has that file be the new index; it is renamed over index, with
 *		the old one's mode and time (git/repo.h, R6), and synced (R2)
 *
 * What can be refused, prepare refuses: an index that is damaged, or of an unknown version, or that
 * may not be read, or has something in the way of a path. Under index.lock nobody else changes it.
 * So what was prepared before the commit point of a record can be done behind it, and is neither
 * read nor changed twice.
 *
 * The name has random digits, so that nobody can take it, or its ".lock", before it is used: behind
 * the commit point that could not be refused any more.
 *
 * Never waits. A crash leaves that file and its ".lock", which the next one removes.
 */

#include "git/repo_backend.h"

#define HF_NEW_INDEX "index.holdfast" /* what its name begins with */

/* The caller has it locked, and keeps the changes' paths until it is changed or aborted. Prepared
 * already, for other changes: begin again. */
enum hf_status hf_index_prepare(struct hf_repo *repo, const struct hf_repo_change *changes,
				size_t count, struct hf_err *err);
enum hf_status hf_index_change(struct hf_repo *repo, const struct hf_repo_change *changes,
			       size_t count, struct hf_err *err);
void hf_index_abort(struct hf_repo *repo);

#endif
