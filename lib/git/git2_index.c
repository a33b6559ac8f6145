/* SPDX-License-Identifier: ISC */
#include "git/git2_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "git/index_check.h"
#include "git/git2_open.h"
#include "base/sys.h"

/* Return true if there are entries below this path. */
static bool has_below(git_index *index, const char *path)
{
	size_t len = strlen(path), at;
	char *prefix = malloc(len + 2);
	bool found = false;

	if (!prefix)
		return false;
	strcpy(stpcpy(prefix, path), "/");
	found = git_index_find_prefix(&at, index, prefix) == 0;
	free(prefix);
	return found;
}

static void set_stat(git_index_entry *entry, const struct stat *st)
{
	entry->ctime.seconds = (int32_t)st->st_ctim.tv_sec;
	entry->ctime.nanoseconds = (uint32_t)st->st_ctim.tv_nsec;
	entry->mtime.seconds = (int32_t)st->st_mtim.tv_sec;
	entry->mtime.nanoseconds = (uint32_t)st->st_mtim.tv_nsec;
	entry->dev = (uint32_t)st->st_dev;
	entry->ino = (uint32_t)st->st_ino;
	entry->uid = st->st_uid;
	entry->gid = st->st_gid;
	entry->file_size = (uint32_t)st->st_size;
}

/* Refuse a path that has an entry in its way: libgit2 would drop the entry, which may be staged. */
static enum hf_status refuse_obstacle(git_index *index, const char *path, struct hf_err *err)
{
	char *parent = strdup(path), *slash;
	enum hf_status status = HF_OK;

	if (!parent)
		return hf_fail_errno(err, "cannot change the index");
	if (has_below(index, path))
		status = hf_fail(err, HF_DATA, "'%s' is a directory in the index", path);
	while (status == HF_OK && (slash = strrchr(parent, '/'))) {
		*slash = '\0';
		if (git_index_get_bypath(index, parent, 0))
			status = hf_fail(err, HF_DATA, "'%s' is a file in the index", parent);
	}
	free(parent);
	return status;
}

static enum hf_status change_index(git_index *index, const struct hf_repo_change *change,
				   struct hf_err *err)
{
	git_index_entry entry = {.mode = change->mode, .path = change->path};
	enum hf_status status;
	int code = 0;

	if (!change->remove) {
		status = refuse_obstacle(index, change->path, err);
		if (status != HF_OK)
			return status;
	}
	for (int stage = change->remove ? 0 : 1; stage < 4; stage++) {
		code = git_index_remove(index, change->path, stage);
		if (code && code != GIT_ENOTFOUND)
			return hf_git2_failed(code, err, "change in the index", change->path);
	}
	if (change->remove)
		return HF_OK;
	code = git_oid_fromstr(&entry.id, change->oid);
	if (change->st)
		set_stat(&entry, change->st);
	if (!code)
		code = git_index_add(index, &entry);
	return code ? hf_git2_failed(code, err, "change in the index", change->path) : HF_OK;
}

/* Check that libgit2 read the index whole. It treats a file that it cannot read as absent, and all
 * staged entries would be lost. */
static enum hf_status check_read(struct hf_repo *repo, const char *name, git_index *index,
				 struct hf_err *err)
{
	unsigned char head[12] = "";
	int fd = sys_openat(repo->git, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	size_t count;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return HF_OK;
	n = fd < 0 ? -1 : sys_pread(fd, head, sizeof(head), 0);
	if (fd >= 0)
		sys_close(fd);
	if (n < 0)
		return hf_fail_errno(err, "cannot read the index of '%s'", hf_repo_name(repo));
	count = (size_t)head[8] << 24 | (size_t)head[9] << 16 | (size_t)head[10] << 8 | head[11];
	if (!n || count == git_index_entrycount(index))
		return HF_OK;
	return hf_fail(err, HF_IO, "libgit2 has not read all of the index of '%s'",
		       hf_repo_name(repo));
}

void hf_git2_index_drop(struct hf_repo *repo)
{
	git_index_free(hf_git2(repo)->index);
	hf_git2(repo)->index = NULL;
}

static enum hf_status cannot_open(struct hf_repo *repo, int code, struct hf_err *err)
{
	const git_error *last = git_error_last();
	enum hf_status status =
		hf_git2_failed(code, err, "read the index of", hf_repo_name(repo));

	return status == HF_DATA && last ? hf_index_damaged(repo, last->message, err) : status;
}

enum hf_status hf_git2_index_open(struct hf_repo *repo, const char *name, struct hf_err *err)
{
	struct hf_git2 *git = hf_git2(repo);
	enum hf_status status;
	char *path;
	int code;

	if (asprintf(&path, "%s/%s", repo->gitdir, name) < 0)
		return hf_fail_errno(err, "cannot change the index");
	/* by its path: it belongs to no repository, so libgit2 reads only this file */
	code = git_index_open(&git->index, path);
	free(path);
	if (code)
		return cannot_open(repo, code, err);
	status = check_read(repo, name, git->index, err);
	if (status != HF_OK)
		hf_git2_index_drop(repo);
	return status;
}

enum hf_status hf_git2_index_change(struct hf_repo *repo, const char *name,
				    const struct hf_repo_change *changes, size_t count,
				    struct hf_err *err)
{
	enum hf_status status = HF_OK;

	(void)name;
	for (size_t i = 0; status == HF_OK && i < count; i++)
		status = change_index(hf_git2(repo)->index, &changes[i], err);
	return status;
}

enum hf_status hf_git2_index_write(struct hf_repo *repo, const char *name,
				   const struct hf_repo_change *changes, size_t count,
				   struct hf_err *err)
{
	/* again, with the present times of the files */
	enum hf_status status = hf_git2_index_change(repo, name, changes, count, err);
	int code;

	if (status != HF_OK)
		return status;
	/* synced later */
	hf_git2_sync(false);
	code = git_index_write(hf_git2(repo)->index);
	hf_git2_sync(true);
	return code ? hf_git2_failed(code, err, "change the index of", hf_repo_name(repo)) : HF_OK;
}
