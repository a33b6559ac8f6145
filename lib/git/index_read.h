/* SPDX-License-Identifier: ISC */
#ifndef HF_INDEX_READ_H
#define HF_INDEX_READ_H

/*
 * Look up a path in the index.
 *
 * The index file (gitformat-index, versions 2 to 4) is read into a table, which serves until the
 * file is another one. A split index is in two files, and `git ls-files` reads it. The checksum is
 * not verified here (index_check.h). A snapshot: the index may change afterwards, if index.lock is
 * not held. Never waits. Thread-safe for different repositories.
 */

#include "git/repo_backend.h"

struct hf_index_answer {
	unsigned int mode; /* of the path's entry; 0: there is none */
	char oid[HF_OID_SIZE];
	bool merged;   /* the entry is of stage 0 */
	bool skipped;  /* it has the skip-worktree flag, or is in a sparse directory */
	bool below;    /* there are entries below the path */
	bool sibling;  /* an entry of the same directory is checked out */
	size_t parent; /* the length of the leading part of the path that has an entry; or 0 */
	unsigned int parent_mode;
	size_t offset; /* of the entry in the file; 0: unknown */
};

/* Look up path in the index file `name` of the git directory. HF_DATA: the index is damaged. */
enum hf_status hf_index_find(struct hf_repo *repo, const char *name, const char *path,
			     struct hf_index_answer *answer, struct hf_err *err);

/* Free the table. */
void hf_index_forget(struct hf_repo *repo);

/* What libgit2 can change in the index, as Git would: an absent one, or one that is neither split
 * nor sparse, and has no extension that libgit2 must know and does not. */
bool hf_index_is_plain(struct hf_repo *repo);

#endif
