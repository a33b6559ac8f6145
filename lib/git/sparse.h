/* SPDX-License-Identifier: ISC */
#ifndef HF_SPARSE_H
#define HF_SPARSE_H

/*
 * Is a path part of a sparse checkout?
 *
 * Reads the simple patterns, which `git sparse-checkout` writes in cone mode: names without
 * wildcards, and "*" for what is directly in a directory. Never waits.
 */

#include "git/repo_backend.h"

enum hf_sparse {
	HF_SPARSE_IN, /* also if the checkout is not sparse */
	HF_SPARSE_OUT,
	HF_SPARSE_UNKNOWN, /* another pattern could decide */
};

enum hf_status hf_sparse_find(struct hf_repo *repo, const char *path, enum hf_sparse *where,
			      struct hf_err *err);

#endif
