/* SPDX-License-Identifier: ISC */
#include "git/index_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sys.h"
#include "git/git_run.h"
#include "git/index_check.h"
#include "git/index_walk.h"
#include <holdfast/path.h>

/* ---- table ---------------------------------------------------------------------------------- */

/* The entries of an index, in its order: by name, then stage. */
struct hf_index_table {
	struct stat st; /* of the file that was read */
	struct hf_index_bytes bytes;
	struct hf_git_out out; /* of a split index: what Git lists */
	struct hf_index_entry *entries;
	size_t count;
	bool owns_names;
	bool has_unknown; /* an extension that must be understood */
};

void hf_index_forget(struct hf_repo *repo)
{
	struct hf_index_table *table = repo->table;

	if (!table)
		return;
	for (size_t i = 0; table->owns_names && i < table->count; i++)
		free((char *)table->entries[i].name);
	free(table->entries);
	free((void *)table->bytes.at);
	hf_git_free(&table->out);
	free(table);
	repo->table = NULL;
}

static enum hf_status fail_read(const struct hf_repo *repo, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot read the index of '%s'", hf_repo_name(repo));
}

/* Parse `ls-files -s -t -z`: "TAG MODE OID STAGE\tPATH\0". */
static enum hf_status read_by_git(struct hf_repo *repo, const char *name, struct hf_err *err)
{
	const struct hf_git git = {
		.repo = repo,
		.args = HF_ARGS("ls-files", "-s", "-t", "-z", "--full-name"),
		.fd = -1,
		.index = strcmp(name, "index") == 0 ? NULL : name,
	};
	struct hf_index_table *table = repo->table;
	enum hf_status status = hf_git_run(&git, &table->out, err);
	const char *end;

	if (status == HF_OK && table->out.status)
		status = hf_git_failed(&table->out, "read the index of", hf_repo_name(repo), err);
	if (status == HF_DATA)
		hf_index_advise(repo, err);
	if (status != HF_OK)
		return status;
	end = table->out.text + table->out.size;
	table->count = 0;
	for (const char *at = table->out.text; at < end; at += strlen(at) + 1) {
		const char *tab = strchr(at, '\t'), *oid = tab ? strchr(at + 2, ' ') : NULL;
		struct hf_index_entry *entry =
			hf_array_add(&table->entries, &table->count, sizeof(*table->entries));

		if (!entry)
			return fail_read(repo, err);
		if (!oid)
			return hf_index_damaged(repo, "git lists no entries", err);
		*entry = (struct hf_index_entry){.name = tab + 1,
						 .len = strlen(tab + 1),
						 .mode = (unsigned int)strtoul(at + 2, NULL, 8),
						 .stage = tab[-1] - '0',
						 .skipped = *at == 'S',
						 .hex = oid + 1};
	}
	return HF_OK;
}

/* Read all entries of the file, which is in memory. Set *split if they are in two files. */
static enum hf_status read_entries(struct hf_repo *repo, bool *split, struct hf_err *err)
{
	struct hf_index_table *table = repo->table;
	struct hf_index_walk w = {.repo = repo, .bytes = table->bytes};
	enum hf_status status = hf_index_walk_begin(&w) ? HF_OK : HF_DATA;

	table->owns_names = w.version == 4;
	while (status == HF_OK) {
		struct hf_index_entry entry, *added;

		status = hf_index_walk_next(&w, &entry);
		if (status != HF_OK)
			break;
		if (table->owns_names)
			entry.name = strndup(entry.name, entry.len);
		added = hf_array_add(&table->entries, &table->count, sizeof(*added));
		if (!added || !entry.name)
			return fail_read(repo, err);
		*added = entry;
	}
	if (status != HF_NO)
		return hf_index_damaged(repo, "an entry is malformed", err);
	*split = hf_index_has_extension(&w, "link");
	table->has_unknown = hf_index_has_extension(&w, NULL);
	return HF_OK;
}

static enum hf_status copy_file(struct hf_repo *repo, const char *name, struct hf_err *err)
{
	struct hf_index_bytes bytes;
	enum hf_status status = hf_index_map(repo, name, &bytes, err);
	void *copy;

	if (status != HF_OK)
		return status;
	copy = malloc(bytes.size + 1);
	if (copy && bytes.size)
		memcpy(copy, bytes.at, bytes.size);
	repo->table->bytes = (struct hf_index_bytes){copy, bytes.size};
	hf_index_unmap(&bytes);
	return copy ? HF_OK : fail_read(repo, err);
}

static enum hf_status read_table(struct hf_repo *repo, const char *name, struct hf_err *err)
{
	bool split = false;
	enum hf_status status = copy_file(repo, name, err);

	if (status == HF_OK)
		status = read_entries(repo, &split, err);
	if (status != HF_OK || !split)
		return status;
	if (repo->table->owns_names)
		for (size_t i = 0; i < repo->table->count; i++)
			free((char *)repo->table->entries[i].name);
	repo->table->owns_names = false;
	free(repo->table->entries);
	repo->table->entries = NULL;
	return read_by_git(repo, name, err);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return hf_same_inode(a, b) && a->st_size == b->st_size &&
	       memcmp(&a->st_mtim, &b->st_mtim, sizeof(a->st_mtim)) == 0 &&
	       memcmp(&a->st_ctim, &b->st_ctim, sizeof(a->st_ctim)) == 0;
}

/* Read the index file, unless it is the one that was read last. HF_NO: it is absent. */
static enum hf_status open_table(struct hf_repo *repo, const char *name, struct hf_err *err)
{
	enum hf_status status;
	struct stat st;

	if (sys_fstatat(repo->git, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? HF_NO : fail_read(repo, err);
	if (repo->table && is_same_file(&repo->table->st, &st))
		return HF_OK;
	hf_index_forget(repo);
	repo->table = calloc(1, sizeof(*repo->table));
	if (!repo->table)
		return fail_read(repo, err);
	repo->table->st = st;
	status = read_table(repo, name, err);
	if (status != HF_OK)
		hf_index_forget(repo);
	return status;
}

/* ---- look up -------------------------------------------------------------------------------- */

static void copy_oid(const struct hf_repo *repo, const struct hf_index_entry *entry,
		     char out[HF_OID_SIZE])
{
	if (!entry->oid)
		snprintf(out, HF_OID_SIZE, "%.*s", (int)(2 * repo->oid_size), entry->hex);
	for (size_t i = 0; entry->oid && i < repo->oid_size; i++)
		sprintf(out + 2 * i, "%02x", entry->oid[i]);
}

/* Compare the first `len` bytes of the entry's name, or all of them, with these. */
static int compare_name(const struct hf_index_entry *entry, const char *name, size_t len)
{
	int order = memcmp(entry->name, name, entry->len < len ? entry->len : len);

	return order ? order : (entry->len > len) - (entry->len < len);
}

/* Return the place of the first entry that is not before this name. */
static size_t place_of(const struct hf_index_table *table, const char *name, size_t len)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_name(&table->entries[middle], name, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Return the entry of this name; NULL if there is none. */
static const struct hf_index_entry *find_entry(const struct hf_index_table *table, const char *name,
					       size_t len)
{
	size_t at = place_of(table, name, len);

	return at < table->count && compare_name(&table->entries[at], name, len) == 0
		       ? &table->entries[at]
		       : NULL;
}

static bool begins_with(const struct hf_index_entry *entry, const char *name, size_t len)
{
	return entry->len > len && memcmp(entry->name, name, len) == 0;
}

/* What the leading parts of the path are: a file or submodule, or a sparse directory. */
static void find_parents(const struct hf_index_table *table, const char *path,
			 struct hf_index_answer *answer)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - path);
		const struct hf_index_entry *entry = find_entry(table, path, len);

		if (entry) {
			answer->parent = len;
			answer->parent_mode = entry->mode;
		}
		entry = find_entry(table, path, len + 1);
		if (entry && entry->mode == HF_INDEX_DIRECTORY)
			answer->skipped = true;
	}
}

/* Is an entry of the same directory checked out? */
static bool has_sibling(const struct hf_index_table *table, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t dir = slash ? (size_t)(slash - path) + 1 : 0;

	for (size_t i = place_of(table, path, dir); i < table->count; i++) {
		const struct hf_index_entry *entry = &table->entries[i];

		if (!begins_with(entry, path, dir))
			return false;
		if (!entry->skipped && !memchr(entry->name + dir, '/', entry->len - dir) &&
		    compare_name(entry, path, strlen(path)) != 0)
			return true;
	}
	return false;
}

enum hf_status hf_index_find(struct hf_repo *repo, const char *name, const char *path,
			     struct hf_index_answer *answer, struct hf_err *err)
{
	enum hf_status status = open_table(repo, name, err);
	char below[PATH_MAX];
	const struct hf_index_entry *entry;
	size_t at, len = strlen(path);

	*answer = (struct hf_index_answer){0};
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	entry = find_entry(repo->table, path, len);
	if (entry) {
		answer->mode = entry->mode;
		answer->merged = entry->stage == 0;
		answer->skipped = entry->skipped;
		answer->offset = entry->offset;
		copy_oid(repo, entry, answer->oid);
	}
	snprintf(below, sizeof(below), "%s/", path);
	at = place_of(repo->table, below, len + 1);
	answer->below =
		at < repo->table->count && begins_with(&repo->table->entries[at], below, len + 1);
	find_parents(repo->table, path, answer);
	answer->sibling = !entry && has_sibling(repo->table, path);
	return HF_OK;
}

bool hf_index_is_plain(struct hf_repo *repo)
{
	enum hf_status status = open_table(repo, "index", NULL);

	return status == HF_NO || (status == HF_OK && !repo->table->has_unknown);
}
