/* SPDX-License-Identifier: ISC */
#include "git/sparse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATTERNS = 16 * 1024 * 1024 };

/* Return true for an anchored name without wildcards, or one whose last component is a "*"; each
 * with or without a slash at its end. */
static bool is_simple(const char *pattern, size_t len)
{
	size_t plain = strcspn(pattern, "*?[\\");

	if (!len || *pattern != '/')
		return false;
	if (plain >= len)
		return true;
	return pattern[plain] == '*' && pattern[plain - 1] == '/' &&
	       (plain + 1 == len || (plain + 2 == len && pattern[plain + 1] == '/'));
}

/* Return true if a simple pattern matches the first `size` bytes of path, which are a directory if
 * path goes on. */
static bool matches(const char *pattern, size_t len, const char *path, size_t size)
{
	const bool is_dir = path[size];
	const char *last;

	if (pattern[len - 1] == '/' && !is_dir)
		return false;
	len -= pattern[len - 1] == '/' && len > 1;
	if (pattern[len - 1] != '*')
		return size == len - 1 && strncmp(pattern + 1, path, size) == 0;
	/* directly in the directory */
	last = memrchr(path, '/', size);
	return len - 2 == (last ? (size_t)(last - path) + 1 : 0) &&
	       strncmp(pattern + 1, path, len - 2) == 0;
}

/* Find the last pattern that matches the first `size` bytes of path. */
static enum hf_sparse find_pattern(const char *patterns, const char *path, size_t size, bool *found)
{
	enum hf_sparse where = HF_SPARSE_OUT;

	*found = false;
	for (size_t len; *patterns; patterns += len + !!patterns[len]) {
		const char *pattern = patterns;
		size_t length;

		len = strcspn(patterns, "\n");
		length = len;
		if (!len || *pattern == '#')
			continue;
		pattern += *patterns == '!';
		length -= *patterns == '!';
		if (!is_simple(pattern, length)) {
			*found = true;
			where = HF_SPARSE_UNKNOWN;
		} else if (matches(pattern, length, path, size)) {
			*found = true;
			where = *patterns == '!' ? HF_SPARSE_OUT : HF_SPARSE_IN;
		}
	}
	return where;
}

enum hf_status hf_sparse_find(struct hf_repo *repo, const char *path, enum hf_sparse *where,
			      struct hf_err *err)
{
	enum hf_status status = hf_repo_is_set(repo, "core.sparsecheckout", false, err);
	void *patterns = NULL;
	size_t size, length = strlen(path);
	bool found = false;

	*where = HF_SPARSE_IN;
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	status = hf_repo_read_file(repo->git, "info/sparse-checkout", MAX_PATTERNS, &patterns,
				   &size, err);
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	/* as Git: the path itself, else its directory, and so on */
	*where = HF_SPARSE_OUT;
	while (status == HF_OK && !found && length) {
		*where = find_pattern(patterns, path, length, &found);
		while (length && path[--length] != '/')
			;
	}
	free(patterns);
	return status;
}
