/* SPDX-License-Identifier: ISC */
#include "git/index_update.h"

#include <bsd/stdlib.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "git/index_check.h"
#include "atomic/publish.h"
#include "base/sys.h"

static enum hf_status fail_index(const struct hf_repo *repo, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot replace the index of '%s'", hf_repo_name(repo));
}

/* Remove the files of dead processes, and our own. One that cannot be removed does no harm. */
static void remove_leftovers(struct hf_repo *repo)
{
	int fd = sys_openat(repo->git, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			sys_close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (strncmp(entry->d_name, HF_NEW_INDEX, strlen(HF_NEW_INDEX)) == 0)
			sys_unlinkat(repo->git, entry->d_name, 0);
	closedir(dir);
}

void hf_repo_cancel(struct hf_repo *repo)
{
	int saved = errno;

	if (repo->index.begun) {
		remove_leftovers(repo);
		repo->ops->index_drop(repo);
		free(repo->index.changes);
	}
	repo->index = (struct hf_repo_index){0};
	errno = saved;
}

/* ---- prepare -------------------------------------------------------------------------------- */

/* Link the copy to the index. If there is no index, there is no copy. */
static enum hf_status link_index(struct hf_repo *repo, struct stat *st, struct hf_err *err)
{
	remove_leftovers(repo);
	if (sys_fstatat(repo->git, "index", st, AT_SYMLINK_NOFOLLOW) < 0) {
		*st = (struct stat){0};
		return errno == ENOENT ? HF_OK : fail_index(repo, err);
	}
	if (!S_ISREG(st->st_mode)) {
		hf_fail(err, HF_DATA, "the index of '%s' is not a regular file",
			hf_repo_name(repo));
		hf_index_advise(repo, err);
		return HF_DATA;
	}
	return sys_linkat(repo->git, "index", repo->git, repo->index.name, 0) < 0
		       ? fail_index(repo, err)
		       : HF_OK;
}

static bool is_same(const struct hf_repo_change *a, const struct hf_repo_change *b)
{
	return strcmp(a->path, b->path) == 0 && a->remove == b->remove &&
	       (a->remove || (a->mode == b->mode && strcmp(a->oid, b->oid) == 0));
}

/* Return true if these changes are prepared already. */
static bool are_prepared(const struct hf_repo_index *index, const struct hf_repo_change *changes,
			 size_t count)
{
	if (count != index->count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!is_same(&index->changes[i], &changes[i]))
			return false;
	return true;
}

static enum hf_status begin_index(struct hf_repo *repo, struct hf_err *err)
{
	enum hf_status status;

	repo->index = (struct hf_repo_index){.begun = true};
	snprintf(repo->index.name, sizeof(repo->index.name), HF_NEW_INDEX ".%08" PRIx32,
		 arc4random());
	if (!HF_WITHOUT(fixed) && (hf_access_is_fixed(repo->git, NULL) ||
				   hf_access_is_fixed(repo->git, "index"))) {
		errno = EPERM;
		return fail_index(repo, err);
	}
	status = link_index(repo, &repo->index.old, err);
	return status == HF_OK ? repo->ops->index_open(repo, repo->index.name, err) : status;
}

static enum hf_status make_changes(struct hf_repo *repo, const struct hf_repo_change *changes,
				   size_t count, struct hf_err *err)
{
	struct hf_repo_index *index = &repo->index;
	enum hf_status status = repo->ops->index_change(repo, index->name, changes, count, err);

	if (status != HF_OK || !count)
		return status;
	index->changes = calloc(count, sizeof(*changes));
	if (!index->changes)
		return hf_fail_errno(err, "cannot change the index");
	memcpy(index->changes, changes, count * sizeof(*changes));
	index->count = count;
	return HF_OK;
}

enum hf_status hf_index_prepare(struct hf_repo *repo, const struct hf_repo_change *changes,
				size_t count, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	if (repo->index.begun && are_prepared(&repo->index, changes, count))
		return HF_OK;
	if (repo->index.count)
		hf_repo_cancel(repo);
	if (!repo->index.begun)
		status = begin_index(repo, err);
	if (status == HF_OK)
		status = make_changes(repo, changes, count, err);
	if (status != HF_OK)
		hf_repo_cancel(repo);
	return status;
}

/* ---- change --------------------------------------------------------------------------------- */

/* Give the copy the old index's group, mode and time, and sync it. */
static enum hf_status copy_attributes_and_sync(struct hf_repo *repo, const struct stat *old, int fd,
					       struct hf_err *err)
{
	const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, old->st_mtim};
	struct stat st;

	if (sys_fstat(fd, &st) < 0)
		return fail_index(repo, err);
	if (old->st_ino && !hf_same_inode(old, &st)) {
		if (st.st_gid != old->st_gid)
			(void)!sys_fchown(fd, (uid_t)-1, old->st_gid);
		if ((st.st_mode & 07777) != (old->st_mode & 07777) &&
		    sys_fchmod(fd, old->st_mode & 07777) < 0)
			return fail_index(repo, err);
		if (futimens(fd, times) < 0)
			return fail_index(repo, err);
	}
	return hf_publish_fsync(fd) < 0 ? fail_index(repo, err) : HF_OK;
}

static enum hf_status rename_over_index(struct hf_repo *repo, struct hf_err *err)
{
	const struct stat *old = &repo->index.old;
	int fd = sys_openat(repo->git, repo->index.name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	enum hf_status status;

	/* an empty index in which nothing changed */
	if (fd < 0)
		return errno == ENOENT && !old->st_ino ? HF_OK : fail_index(repo, err);
	status = copy_attributes_and_sync(repo, old, fd, err);
	sys_close(fd);
	/* if nothing was changed these are one file, and this does nothing */
	if (status == HF_OK &&
	    sys_renameat2(repo->git, repo->index.name, repo->git, "index", 0) < 0)
		status = fail_index(repo, err);
	return status == HF_OK ? hf_sync_batch_add(&repo->names, repo->git, hf_repo_name(repo), err)
			       : status;
}

enum hf_status hf_index_change(struct hf_repo *repo, const struct hf_repo_change *changes,
			       size_t count, struct hf_err *err)
{
	enum hf_status status = hf_index_prepare(repo, changes, count, err);

	if (status == HF_OK)
		status = repo->ops->index_write(repo, repo->index.name, changes, count, err);
	if (status == HF_OK)
		status = rename_over_index(repo, err);
	hf_repo_cancel(repo);
	return status;
}
