/* SPDX-License-Identifier: ISC */
#include "git/tree_builder.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "git/object_batch.h"

enum { DIRECTORY = 040000, SUBMODULE = 0160000, MAX_OID = HF_SHA256 };

struct entry {
	unsigned int mode; /* 0: removed */
	const char *name;
	size_t len;
	unsigned char oid[MAX_OID];
};

struct tree {
	struct entry *entries;
	size_t count;
	void *bytes; /* of the old tree; the names point into it */
};

/* Changes below one directory; `skip` bytes of their paths lead to it. */
struct part {
	const struct hf_repo_change **changes;
	size_t count, skip;
};

static enum hf_status no_memory(struct hf_err *err)
{
	errno = ENOMEM;
	return hf_fail_errno(err, "cannot make a tree");
}

static bool to_binary(const char *hex, size_t size, unsigned char out[MAX_OID])
{
	for (size_t i = 0; i < size; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &out[i]) != 1)
			return false;
	return true;
}

static void to_hex(const unsigned char *in, size_t size, char out[HF_OID_SIZE])
{
	for (size_t i = 0; i < size; i++)
		sprintf(out + 2 * i, "%02x", in[i]);
}

/* Parse "MODE NAME\0OID" at *at. Return false if it is malformed. */
static bool parse_entry(const char **at, const char *end, size_t oid_size, struct entry *entry)
{
	const char *name = memchr(*at, ' ', (size_t)(end - *at)), *nul;

	nul = name ? memchr(name, '\0', (size_t)(end - name)) : NULL;
	if (!nul || (size_t)(end - nul) <= oid_size)
		return false;
	entry->mode = (unsigned int)strtoul(*at, NULL, 8);
	entry->name = name + 1;
	entry->len = (size_t)(nul - name) - 1;
	memcpy(entry->oid, nul + 1, oid_size);
	*at = nul + 1 + oid_size;
	return entry->mode && entry->len;
}

/* Read a tree, with space for `more` entries. */
static enum hf_status read_tree(struct hf_repo *repo, const char *base, size_t more,
				struct tree *tree, struct hf_err *err)
{
	/* the shortest entry: a mode of five digits, a blank, a name of one byte, a NUL */
	const size_t shortest = repo->oid_size + 8;
	enum hf_status status = HF_OK;
	size_t size = 0;
	const char *at, *end;

	*tree = (struct tree){0};
	if (base[0])
		status = repo->ops->read(repo, "tree", base, &tree->bytes, &size, err);
	if (status != HF_OK)
		return status;
	tree->entries = calloc(size / shortest + more + 1, sizeof(*tree->entries));
	if (!tree->entries)
		return no_memory(err);
	at = tree->bytes;
	end = size ? at + size : at;
	while (at < end)
		if (!parse_entry(&at, end, repo->oid_size, &tree->entries[tree->count++]))
			return hf_fail(err, HF_DATA, "tree %s is damaged", base);
	return HF_OK;
}

static void free_tree(struct tree *tree)
{
	free(tree->entries);
	free(tree->bytes);
}

static struct entry *find_entry(struct tree *tree, const char *name, size_t len)
{
	for (size_t i = 0; i < tree->count; i++) {
		struct entry *entry = &tree->entries[i];

		if (entry->mode && entry->len == len && memcmp(entry->name, name, len) == 0)
			return entry;
	}
	return NULL;
}

static struct entry *add_entry(struct tree *tree, const char *name, size_t len)
{
	struct entry *entry = &tree->entries[tree->count++];

	*entry = (struct entry){.name = name, .len = len};
	return entry;
}

/* Compare in Git's order; removed entries come last. */
static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->name, y->name, len);
	int xc, yc;

	if (!x->mode || !y->mode)
		return !x->mode - !y->mode;
	if (order)
		return order;
	xc = x->len > len ? (unsigned char)x->name[len] : x->mode == DIRECTORY ? '/' : 0;
	yc = y->len > len ? (unsigned char)y->name[len] : y->mode == DIRECTORY ? '/' : 0;
	return xc - yc;
}

static enum hf_status write_tree(struct hf_repo *repo, struct tree *tree, char oid[HF_OID_SIZE],
				 struct hf_err *err)
{
	enum { MAX_MODE = 12 };
	size_t size = 0;
	char *bytes, *end;
	enum hf_status status;

	qsort(tree->entries, tree->count, sizeof(*tree->entries), compare_entries);
	for (size_t i = 0; i < tree->count; i++)
		size += tree->entries[i].len + MAX_MODE + 2 + MAX_OID;
	bytes = malloc(size + 1);
	if (!bytes)
		return no_memory(err);
	end = bytes;
	for (size_t i = 0; i < tree->count && tree->entries[i].mode; i++) {
		const struct entry *entry = &tree->entries[i];

		end += snprintf(end, MAX_MODE + 1, "%o ", entry->mode);
		end = mempcpy(end, entry->name, entry->len);
		*end++ = '\0';
		end = mempcpy(end, entry->oid, repo->oid_size);
	}
	status = hf_object_store(
		repo, &(struct hf_object_source){"tree", bytes, -1, (size_t)(end - bytes)}, oid,
		err);
	free(bytes);
	return status;
}

/* Change one entry of this tree. */
static enum hf_status change_leaf(struct tree *tree, size_t oid_size,
				  const struct hf_repo_change *change, const char *name,
				  struct hf_err *err)
{
	struct entry *entry = find_entry(tree, name, strlen(name));

	if (entry && (entry->mode == DIRECTORY || entry->mode == SUBMODULE))
		return hf_fail(err, HF_DATA, "'%s' is a %s in the previous commit", change->path,
			       entry->mode == DIRECTORY ? "directory" : "submodule");
	if (change->remove) {
		if (entry)
			entry->mode = 0;
		return HF_OK;
	}
	if (!entry)
		entry = add_entry(tree, name, strlen(name));
	entry->mode = change->mode;
	return to_binary(change->oid, oid_size, entry->oid)
		       ? HF_OK
		       : hf_fail(err, HF_BUG, "'%s' is not an object ID", change->oid);
}

static bool only_removes(const struct part *part)
{
	for (size_t i = 0; i < part->count; i++)
		if (!part->changes[i]->remove)
			return false;
	return true;
}

/* Change a tree. *oid is "" if it becomes empty; nothing is written then. */
static enum hf_status change_tree(struct hf_repo *repo, const char *base, const struct part *part,
				  char oid[HF_OID_SIZE], struct hf_err *err);

/* Change the tree of the directory `name`, which has all the paths of part. */
static enum hf_status change_below(struct hf_repo *repo, struct tree *tree, const char *name,
				   size_t len, const struct part *part, struct hf_err *err)
{
	struct entry *entry = find_entry(tree, name, len);
	char base[HF_OID_SIZE] = "", oid[HF_OID_SIZE];
	enum hf_status status;

	if (entry && entry->mode != DIRECTORY) {
		if (only_removes(part))
			return HF_OK;
		return hf_fail(err, HF_DATA, "'%.*s' is not a directory in the previous commit",
			       (int)(part->skip - 1), part->changes[0]->path);
	}
	if (entry)
		to_hex(entry->oid, repo->oid_size, base);
	status = change_tree(repo, base, part, oid, err);
	if (status != HF_OK)
		return status;
	if (!oid[0]) {
		if (entry)
			entry->mode = 0;
		return HF_OK;
	}
	if (!entry)
		entry = add_entry(tree, name, len);
	entry->mode = DIRECTORY;
	to_binary(oid, repo->oid_size, entry->oid);
	return HF_OK;
}

/* Return how many changes, from the first on, are in the same directory or entry. */
static size_t count_same_name(const struct part *part, size_t len)
{
	const char *name = part->changes[0]->path + part->skip;
	size_t n = 1;

	while (n < part->count) {
		const char *other = part->changes[n]->path + part->skip;

		if (strncmp(name, other, len) != 0 || (other[len] && other[len] != '/'))
			break;
		n++;
	}
	return n;
}

static enum hf_status change_entries(struct hf_repo *repo, struct tree *tree, struct part part,
				     struct hf_err *err)
{
	enum hf_status status = HF_OK;

	while (status == HF_OK && part.count) {
		const char *name = part.changes[0]->path + part.skip;
		size_t len = strcspn(name, "/"), n = count_same_name(&part, len);
		struct part below = {part.changes, n, part.skip + len + 1};

		if (!len)
			return hf_fail(err, HF_BUG, "'%s' is not a path in a tree",
				       part.changes[0]->path);
		if (name[len])
			status = change_below(repo, tree, name, len, &below, err);
		else if (n > 1)
			status =
				hf_fail(err, HF_DATA, "'%s' is named twice", part.changes[0]->path);
		else
			status = change_leaf(tree, repo->oid_size, part.changes[0], name, err);
		part.changes += n;
		part.count -= n;
	}
	return status;
}

static enum hf_status change_tree(struct hf_repo *repo, const char *base, const struct part *part,
				  char oid[HF_OID_SIZE], struct hf_err *err)
{
	bool empty = true;
	struct tree tree;
	enum hf_status status = read_tree(repo, base, part->count, &tree, err);

	if (status == HF_OK)
		status = change_entries(repo, &tree, *part, err);
	for (size_t i = 0; status == HF_OK && i < tree.count; i++)
		empty = empty && !tree.entries[i].mode;
	oid[0] = '\0';
	if (status == HF_OK && (!empty || !part->skip))
		status = write_tree(repo, &tree, oid, err);
	free_tree(&tree);
	return status;
}

/* Order "a", "a/b", "ab": the paths of a directory are together, after a file of its name. */
static int compare_paths(const void *a, const void *b)
{
	const struct hf_repo_change *const *x = a, *const *y = b;
	const unsigned char *s = (const unsigned char *)(*x)->path,
			    *t = (const unsigned char *)(*y)->path;

	while (*s && *s == *t)
		s++, t++;
	return (*s == '/' ? 1 : *s ? *s + 1 : 0) - (*t == '/' ? 1 : *t ? *t + 1 : 0);
}

enum hf_status hf_tree_change(struct hf_repo *repo, const char *base,
			      const struct hf_repo_change *changes, size_t count,
			      char oid[HF_OID_SIZE], struct hf_err *err)
{
	const struct hf_repo_change **sorted = calloc(count + 1, sizeof(*sorted));
	struct part all = {.changes = sorted, .count = count};
	enum hf_status status;

	if (!sorted)
		return no_memory(err);
	for (size_t i = 0; i < count; i++)
		sorted[i] = &changes[i];
	qsort(sorted, count, sizeof(*sorted), compare_paths);
	status = change_tree(repo, base, &all, oid, err);
	free(sorted);
	return status;
}

/* Set change to the entry `name` of a tree, or to `remove`. */
static enum hf_status find_in_tree(struct hf_repo *repo, const char *tree_oid, const char *name,
				   size_t len, struct hf_repo_change *change, struct hf_err *err)
{
	struct tree tree;
	enum hf_status status = read_tree(repo, tree_oid, 0, &tree, err);
	const struct entry *entry = status == HF_OK ? find_entry(&tree, name, len) : NULL;

	change->remove = !entry;
	if (entry) {
		/* as Git reads it: old trees have other permission bits */
		change->mode = S_ISREG(entry->mode) ? (entry->mode & 0100 ? 0100755 : 0100644)
						    : entry->mode;
		to_hex(entry->oid, repo->oid_size, change->oid);
	}
	free_tree(&tree);
	return status;
}

enum hf_status hf_tree_entry(struct hf_repo *repo, const char *tree, struct hf_repo_change *change,
			     struct hf_err *err)
{
	struct hf_repo_change found = {.mode = DIRECTORY};
	const char *name = change->path;
	enum hf_status status = HF_OK;

	snprintf(found.oid, sizeof(found.oid), "%s", tree);
	for (size_t len; status == HF_OK && !found.remove && *name; name += len + !!name[len]) {
		char below[HF_OID_SIZE];

		len = strcspn(name, "/");
		memcpy(below, found.oid, sizeof(below));
		if (found.mode == DIRECTORY)
			status = find_in_tree(repo, below, name, len, &found, err);
		else
			found.remove = true;
	}
	change->remove = found.remove;
	if (!found.remove) {
		change->mode = found.mode;
		memcpy(change->oid, found.oid, sizeof(change->oid));
	}
	return status;
}
