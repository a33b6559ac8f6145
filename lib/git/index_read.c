/* SPDX-License-Identifier: ISC */
#include "git/index_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/sys.h"
#include "git/git_run.h"
#include "git/index_check.h"
#include "git/loose_object.h"
#include <holdfast/path.h>

enum {
	HEAD = 12,
	STAT = 40, /* bytes of an entry before its object name */
	MODE = 24, /* the offset of its mode */
	DIRECTORY = 040000,
	EXTENDED = 0x4000,
	SKIPPED = 0x4000, /* in the extended flags */
};

/* An entry, as one walk finds it. */
struct entry {
	const char *name;
	size_t len;
	unsigned int mode;
	int stage;
	bool skipped;
	const unsigned char *oid; /* binary; or NULL: hex */
	const char *hex;
	size_t offset;
};

static unsigned int read16(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static unsigned int read32(const unsigned char *at)
{
	return (unsigned int)at[0] << 24 | (unsigned int)at[1] << 16 | read16(at + 2);
}

/* ---- walk ----------------------------------------------------------------------------------- */

struct walk {
	const struct hf_repo *repo;
	struct hf_index_bytes bytes;
	unsigned int version, left;
	size_t at; /* the offset of the next entry, after the last one of the extensions */
	char name[PATH_MAX]; /* of a version 4 entry */
	size_t len;
};

static bool walk_begin(struct walk *w)
{
	const struct hf_index_bytes *bytes = &w->bytes;

	if (bytes->size < HEAD + w->repo->oid_size || memcmp(bytes->at, "DIRC", 4) != 0)
		return false;
	w->version = read32(bytes->at + 4);
	w->left = read32(bytes->at + 8);
	w->at = HEAD;
	w->len = 0;
	return w->version >= 2 && w->version <= 4;
}

/* Read the name of a version 4 entry, which begins as the one before it. */
static bool read_prefixed_name(struct walk *w, struct entry *entry, size_t at, size_t end)
{
	const unsigned char *bytes = w->bytes.at;
	size_t strip, len;

	strip = bytes[at] & 127;
	while (bytes[at++] & 128) {
		if (at >= end)
			return false;
		strip = ((strip + 1) << 7) | (bytes[at] & 127);
	}
	len = strnlen((const char *)bytes + at, end - at);
	if (strip > w->len || at + len >= end || w->len - strip + len >= sizeof(w->name))
		return false;
	memcpy(w->name + w->len - strip, bytes + at, len + 1);
	w->len += len - strip;
	entry->name = w->name;
	entry->len = w->len;
	w->at = at + len + 1;
	return true;
}

/* Read the next entry. HF_NO: there is none. */
static enum hf_status walk_next(struct walk *w, struct entry *entry)
{
	const size_t end = w->bytes.size - w->repo->oid_size;
	const unsigned char *bytes = w->bytes.at + w->at;
	size_t start = w->at, at = start + STAT + w->repo->oid_size + 2;
	unsigned int flags;

	if (!w->left)
		return HF_NO;
	/* at least a name of one letter, and a NUL */
	if (at + 2 > end)
		return HF_DATA;
	flags = read16(bytes + STAT + w->repo->oid_size);
	*entry = (struct entry){.mode = read32(bytes + MODE),
				.oid = bytes + STAT,
				.offset = start,
				.stage = flags >> 12 & 3};
	if (flags & EXTENDED && w->version > 2) {
		entry->skipped = read16(w->bytes.at + at) & SKIPPED;
		at += 2;
		if (at + 2 > end)
			return HF_DATA;
	}
	w->left--;
	if (w->version == 4)
		return read_prefixed_name(w, entry, at, end) ? HF_OK : HF_DATA;
	entry->name = (const char *)w->bytes.at + at;
	entry->len = strnlen(entry->name, end - at);
	/* one to eight NULs, to a multiple of eight */
	w->at = start + ((at - start + entry->len + 8) & ~(size_t)7);
	return w->at <= end ? HF_OK : HF_DATA;
}

/* Find an extension with this signature, or, if it is NULL, one that must be understood and is not
 * "sdir" or "link". The walk is at its end. */
static bool has_extension(const struct walk *w, const char *signature)
{
	const size_t end = w->bytes.size - w->repo->oid_size;

	for (size_t at = w->at; at + 8 <= end; at += 8 + (size_t)read32(w->bytes.at + at + 4)) {
		const unsigned char *name = w->bytes.at + at;

		if (signature ? memcmp(name, signature, 4) == 0 : *name < 'A' || *name > 'Z')
			return true;
	}
	return false;
}

/* ---- look up -------------------------------------------------------------------------------- */

static void copy_oid(const struct hf_repo *repo, const struct entry *entry, char out[HF_OID_SIZE])
{
	if (!entry->oid)
		snprintf(out, HF_OID_SIZE, "%.*s", (int)(2 * repo->oid_size), entry->hex);
	for (size_t i = 0; entry->oid && i < repo->oid_size; i++)
		sprintf(out + 2 * i, "%02x", entry->oid[i]);
}

/* Take from an entry what it says of the path. */
static void take_entry(const struct hf_repo *repo, const char *path, const struct entry *entry,
		       struct hf_index_answer *answer)
{
	size_t len = strlen(path),
	       dir = strrchr(path, '/') ? (size_t)(strrchr(path, '/') - path) + 1 : 0;

	if (entry->len == len && memcmp(entry->name, path, len) == 0) {
		/* of an unmerged path the last stage, which is the other side's */
		answer->mode = entry->mode;
		answer->merged = entry->stage == 0;
		answer->skipped = entry->skipped;
		answer->offset = entry->offset;
		copy_oid(repo, entry, answer->oid);
	} else if (entry->len > len && memcmp(entry->name, path, len) == 0 &&
		   entry->name[len] == '/') {
		answer->below = true;
	} else if (entry->mode == DIRECTORY && entry->len <= len &&
		   memcmp(entry->name, path, entry->len) == 0) {
		answer->skipped = true; /* its name ends with a slash */
	} else if (entry->len < len && path[entry->len] == '/' &&
		   memcmp(entry->name, path, entry->len) == 0) {
		answer->parent = entry->len;
		answer->parent_mode = entry->mode;
	} else if (entry->len > dir && memcmp(entry->name, path, dir) == 0 && !entry->skipped &&
		   !memchr(entry->name + dir, '/', entry->len - dir)) {
		answer->sibling = true;
	}
}

/* The entries of a split index, as `ls-files` lists them. */
struct hf_index_list {
	struct stat st; /* of the index file */
	struct hf_git_out out;
};

void hf_index_forget(struct hf_repo *repo)
{
	if (repo->list)
		hf_git_free(&repo->list->out);
	free(repo->list);
	repo->list = NULL;
}

/* List the index file, unless it is the one that was listed last. */
static enum hf_status list_by_git(struct hf_repo *repo, const char *name, struct hf_err *err)
{
	const struct hf_git git = {
		.repo = repo,
		.args = HF_ARGS("ls-files", "-s", "-t", "-z", "--full-name"),
		.fd = -1,
		.index = strcmp(name, "index") == 0 ? NULL : name,
	};
	struct hf_index_list *list;
	enum hf_status status;
	struct stat st;

	if (sys_fstatat(repo->git, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return hf_fail_errno(err, "cannot read the index of '%s'", hf_repo_name(repo));
	if (repo->list && hf_same_inode(&repo->list->st, &st) &&
	    repo->list->st.st_mtim.tv_sec == st.st_mtim.tv_sec &&
	    repo->list->st.st_mtim.tv_nsec == st.st_mtim.tv_nsec)
		return HF_OK;
	hf_index_forget(repo);
	list = calloc(1, sizeof(*list));
	if (!list)
		return hf_fail_errno(err, "cannot read the index of '%s'", hf_repo_name(repo));
	list->st = st;
	status = hf_git_run(&git, &list->out, err);
	if (status == HF_OK && list->out.status)
		status = hf_git_failed(&list->out, "read the index of", hf_repo_name(repo), err);
	if (status == HF_DATA)
		hf_index_advise(repo, err);
	repo->list = list;
	if (status != HF_OK)
		hf_index_forget(repo);
	return status;
}

/* Parse "TAG MODE OID STAGE\tPATH\0". */
static enum hf_status find_by_git(struct hf_repo *repo, const char *name, const char *path,
				  struct hf_index_answer *answer, struct hf_err *err)
{
	enum hf_status status = list_by_git(repo, name, err);
	const char *end, *at;

	if (status != HF_OK)
		return status;
	end = repo->list->out.text + repo->list->out.size;
	for (at = repo->list->out.text; at < end; at += strlen(at) + 1) {
		const char *tab = strchr(at, '\t'), *oid = tab ? strchr(at + 2, ' ') : NULL;
		struct entry entry = {.skipped = *at == 'S'};

		if (!oid)
			continue;
		entry.hex = oid + 1;
		entry.mode = (unsigned int)strtoul(at + 2, NULL, 8);
		entry.stage = tab[-1] - '0';
		entry.name = tab + 1;
		entry.len = strlen(tab + 1);
		take_entry(repo, path, &entry, answer);
	}
	return HF_OK;
}

enum hf_status hf_index_find(struct hf_repo *repo, const char *name, const char *path,
			     struct hf_index_answer *answer, struct hf_err *err)
{
	struct walk w = {.repo = repo};
	enum hf_status status = hf_index_map(repo, name, &w.bytes, err);
	struct entry entry;
	bool split = false;

	*answer = (struct hf_index_answer){0};
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	status = walk_begin(&w) ? HF_OK : HF_DATA;
	while (status == HF_OK && (status = walk_next(&w, &entry)) == HF_OK)
		take_entry(repo, path, &entry, answer);
	if (status == HF_NO)
		split = has_extension(&w, "link");
	hf_index_unmap(&w.bytes);
	if (split) {
		*answer = (struct hf_index_answer){0};
		return find_by_git(repo, name, path, answer, err);
	}
	return status == HF_NO ? HF_OK : hf_index_damaged(repo, "an entry is malformed", err);
}

bool hf_index_is_plain(struct hf_repo *repo)
{
	struct walk w = {.repo = repo};
	enum hf_status status = hf_index_map(repo, "index", &w.bytes, NULL);
	struct entry entry;
	bool plain;

	if (status != HF_OK)
		return status == HF_NO;
	status = walk_begin(&w) ? HF_OK : HF_DATA;
	while (status == HF_OK)
		status = walk_next(&w, &entry);
	plain = status == HF_NO && !has_extension(&w, NULL);
	hf_index_unmap(&w.bytes);
	return plain;
}

/* ---- change --------------------------------------------------------------------------------- */

static void write32(unsigned char *at, uint64_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static enum hf_status write_stat(int fd, size_t offset, const struct stat *st, const char *name,
				 struct hf_err *err)
{
	unsigned char times[MODE], rest[STAT - MODE - 4];

	write32(times, (uint64_t)st->st_ctim.tv_sec);
	write32(times + 4, (uint64_t)st->st_ctim.tv_nsec);
	write32(times + 8, (uint64_t)st->st_mtim.tv_sec);
	write32(times + 12, (uint64_t)st->st_mtim.tv_nsec);
	write32(times + 16, st->st_dev);
	write32(times + 20, st->st_ino);
	write32(rest, st->st_uid);
	write32(rest + 4, st->st_gid);
	write32(rest + 8, (uint64_t)st->st_size);
	if (hf_pwrite_all(fd, times, sizeof(times), (int64_t)offset, name, err) != HF_OK)
		return HF_IO;
	return hf_pwrite_all(fd, rest, sizeof(rest), (int64_t)offset + MODE + 4, name, err);
}

/* Write the checksum again, unless the index has none. */
static enum hf_status write_checksum(struct hf_repo *repo, const char *name, int fd,
				     struct hf_err *err)
{
	static const unsigned char none[HF_SHA256];
	unsigned char sum[HF_SHA256];
	struct hf_index_bytes bytes;
	enum hf_status status = hf_index_map(repo, name, &bytes, err);
	size_t end;

	if (status != HF_OK)
		return status;
	end = bytes.size - repo->oid_size;
	if (memcmp(bytes.at + end, none, repo->oid_size) != 0) {
		hf_bytes_hash(repo, bytes.at, end, sum);
		status = hf_pwrite_all(fd, sum, repo->oid_size, (int64_t)end, name, err);
	}
	hf_index_unmap(&bytes);
	return status;
}

enum hf_status hf_index_set_stat(struct hf_repo *repo, const char *name,
				 const struct hf_repo_change *changes, size_t count,
				 struct hf_err *err)
{
	int fd = sys_openat(repo->git, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	enum hf_status status = HF_OK;
	struct hf_index_answer found;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return HF_OK;
	/* a link to the index itself, in which nothing changed */
	if (fd >= 0 && sys_fstat(fd, &st) == 0 && st.st_nlink > 1) {
		sys_close(fd);
		return HF_OK;
	}
	if (fd < 0)
		return hf_fail_errno(err, "cannot change the index");
	for (size_t i = 0; i < count && status == HF_OK && !repo->list; i++) {
		if (changes[i].remove || !changes[i].st)
			continue;
		status = hf_index_find(repo, name, changes[i].path, &found, err);
		if (status == HF_OK && found.offset)
			status = write_stat(fd, found.offset, changes[i].st, name, err);
	}
	if (status == HF_OK)
		status = write_checksum(repo, name, fd, err);
	if (sys_close(fd) < 0 && status == HF_OK)
		status = hf_fail_errno(err, "cannot change the index");
	return status;
}
