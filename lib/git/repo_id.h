/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_ID_H
#define HF_REPO_ID_H

/*
 * The identity of a repository, which stays when the repository is moved: a random number in
 * COMMON/holdfast/id, one line of hexadecimal digits.
 *
 * The first caller creates it; it never changes. It is written and synced before link(2) gives it
 * its name, so concurrent creators agree on one. A crash leaves no file or a complete one.
 *
 * Never blocks. Errors: HF_DATA: the file has no such number; HF_NOPERM, HF_IO. Thread-safe for
 * different repositories.
 */

#include "git/repo_backend.h"

/* Return the identity; create it at the first call. *id is valid until hf_repo_close(). */
enum hf_status hf_repo_id(struct hf_repo *repo, const char **id, struct hf_err *err);

#endif
