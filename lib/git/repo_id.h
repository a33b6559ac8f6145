/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_ID_H
#define HF_REPO_ID_H

/*
 * What tells one repository from another, wherever it is moved to: a random number in
 * COMMON/holdfast/id, one line of hexadecimal digits.
 *
 * It is made by whoever asks first, and never changes: written and synced before it has its name,
 * by a link that replaces nothing, so that of several who make one, one is everybody's. Whoever may
 * use the repository can read it, whatever the umask of its maker. A crash leaves none, or a whole
 * one.
 *
 * Blocks nobody. Errors: HF_DATA it is there and no such number; HF_NOPERM, HF_IO. Thread-safe for
 * different repositories.
 */

#include "git/repo_backend.h"

/* Find it, or make it; repo->id has it then. */
enum hf_status hf_repo_id_find(struct hf_repo *repo, struct hf_err *err);

#endif
