/* SPDX-License-Identifier: ISC */
#ifndef HF_INDEX_WALK_H
#define HF_INDEX_WALK_H

/*
 * Walk over the entries and extensions of an index file (gitformat-index, versions 2 to 4).
 *
 * The bytes are the caller's, and may be damaged. Changes nothing and waits for nothing.
 */

#include <limits.h>

#include "git/index_check.h"
#include "git/repo_backend.h"

enum {
	HF_INDEX_DIRECTORY = 040000, /* the mode of a sparse directory */
	HF_INDEX_MODE = 24,	     /* the offset of the mode in an entry */
	HF_INDEX_STAT = 40,	     /* the length of an entry before its object name */
};

/* An entry, as one walk finds it. */
struct hf_index_entry {
	const char *name;
	size_t len;
	unsigned int mode;
	int stage;
	bool skipped;
	const unsigned char *oid; /* binary; or NULL: hex */
	const char *hex;
	size_t offset;
};

struct hf_index_walk {
	const struct hf_repo *repo;
	struct hf_index_bytes bytes;
	unsigned int version, left;
	size_t at; /* the offset of the next entry, after the last one of the extensions */
	char name[PATH_MAX]; /* of a version 4 entry */
	size_t len;
};

/* Begin; repo and bytes are set. Return false if it is no index. */
bool hf_index_walk_begin(struct hf_index_walk *w);

/* Read the next entry. HF_NO: there is none. HF_DATA: it is malformed. */
enum hf_status hf_index_walk_next(struct hf_index_walk *w, struct hf_index_entry *entry);

/* At the end: return true if there is an extension with this signature, or, if it is NULL, one that
 * a reader must understand. */
bool hf_index_has_extension(const struct hf_index_walk *w, const char *signature);

#endif
