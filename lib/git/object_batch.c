/* SPDX-License-Identifier: ISC */
#include "git/object_batch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "git/loose_object.h"
#include "atomic/publish.h"
#include "base/sys.h"

enum { DIR_SIZE = 3, LONG_SIZE = sizeof(HF_STAGING) + HF_LOOSE_SIZE };

static void staged_name(const char *oid, char path[LONG_SIZE])
{
	snprintf(path, LONG_SIZE, HF_STAGING "/%.2s/%s", oid, oid + 2);
}

static enum hf_status cannot(const struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot store object %s in '%s'", oid, hf_repo_name(repo));
}

/* Remove everything in dir, which is a directory two levels deep at most; dir is closed. */
static void empty(int dir, int levels)
{
	DIR *stream = fdopendir(dir);
	struct dirent *entry;

	if (!stream) {
		sys_close(dir);
		return;
	}
	while ((entry = readdir(stream))) {
		const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
		int below;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (sys_unlinkat(dir, entry->d_name, 0) == 0 || !levels)
			continue;
		below = sys_openat(dir, entry->d_name, flags, 0);
		if (below >= 0)
			empty(below, levels - 1);
		sys_unlinkat(dir, entry->d_name, AT_REMOVEDIR);
	}
	closedir(stream);
}

/* false: it is not there. */
static bool empty_staging(struct hf_repo *repo)
{
	int dir = sys_openat(repo->objects, HF_STAGING,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);

	if (dir >= 0)
		empty(dir, 1);
	return dir >= 0;
}

enum hf_status hf_objects_begin(struct hf_repo *repo, struct hf_err *err)
{
	if (repo->staging || empty_staging(repo) ||
	    sys_mkdirat(repo->objects, HF_STAGING, 0777) == 0) {
		repo->staging = true;
		return HF_OK;
	}
	return hf_fail_errno(err, "cannot store objects in '%s'", hf_repo_name(repo));
}

static enum hf_status remember(struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	char(*made)[HF_OID_SIZE];

	for (size_t i = 0; i < repo->made_count; i++)
		if (strcmp(repo->made[i], oid) == 0)
			return HF_OK;
	made = reallocarray(repo->made, repo->made_count + 1, sizeof(*made));
	if (!made)
		return cannot(repo, oid, err);
	repo->made = made;
	snprintf(made[repo->made_count++], HF_OID_SIZE, "%s", oid);
	return HF_OK;
}

static const struct hf_object *find(const struct hf_repo *repo, const char *oid)
{
	for (size_t i = 0; i < repo->added_count; i++)
		if (strcmp(repo->added[i].oid, oid) == 0)
			return &repo->added[i];
	return NULL;
}

/* fd is open on it, and stays the caller's if this fails. */
static enum hf_status add(struct hf_repo *repo, struct hf_object object, int fd, const char *oid,
			  struct hf_err *err)
{
	struct hf_object *more;
	enum hf_status status = hf_sync_batch_add(&repo->contents, fd, hf_repo_name(repo), err);

	if (status != HF_OK)
		return status;
	more = reallocarray(repo->added, repo->added_count + 1, sizeof(*more));
	if (!more)
		return cannot(repo, oid, err);
	repo->added = more;
	snprintf(object.oid, sizeof(object.oid), "%s", oid);
	more[repo->added_count++] = object;
	return HF_OK;
}

enum hf_status hf_objects_add(struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	struct hf_object object = {.fd = -1, .staged = true};
	char path[LONG_SIZE];
	enum hf_status status;
	int fd;

	/* two files of one content, say */
	if (find(repo, oid))
		return HF_OK;
	if (remember(repo, oid, err) != HF_OK)
		return HF_OS;
	staged_name(oid, path);
	fd = sys_openat(repo->objects, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0 && errno == ENOENT) {
		object.staged = false;
		fd = sys_openat(repo->objects, hf_loose_object_path(path, oid),
				O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	}
	if (fd < 0)
		return errno == ENOENT ? HF_NO : cannot(repo, oid, err);
	/* it only begins; where it cannot, the sync does it all */
	(void)!sys_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	status = add(repo, object, fd, oid, err);
	sys_close(fd);
	return status;
}

enum hf_status hf_objects_add_unnamed(struct hf_repo *repo, const char *oid, int fd,
				      struct hf_err *err)
{
	const struct hf_object object = {.fd = fd, .staged = true};
	enum hf_status status = remember(repo, oid, err);

	if (status == HF_OK && !find(repo, oid)) {
		status = add(repo, object, fd, oid, err);
		if (status == HF_OK)
			return HF_OK;
	}
	sys_close(fd);
	return status;
}

/* *made: objects/ has a new directory. */
static int give_name(struct hf_repo *repo, const struct hf_object *object, bool *made)
{
	char from[LONG_SIZE], to[HF_LOOSE_SIZE];

	if (object->fd >= 0)
		return hf_loose_object_name(repo, object->fd, object->oid, made);
	staged_name(object->oid, from);
	hf_loose_object_path(to, object->oid);
	if (sys_renameat2(repo->objects, from, repo->objects, to, 0) == 0)
		return 0;
	if (errno != ENOENT || hf_loose_object_mkdir(repo, object->oid, made) < 0)
		return -1;
	*made = true; /* or somebody else has, just now */
	return sys_renameat2(repo->objects, from, repo->objects, to, 0);
}

/* The directory of this one is to be synced. */
static enum hf_status note_dir(struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	char dir[DIR_SIZE];
	enum hf_status status;
	int fd;

	snprintf(dir, sizeof(dir), "%s", oid);
	fd = sys_openat(repo->objects, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return cannot(repo, oid, err);
	status = hf_sync_batch_add(&repo->names, fd, hf_repo_name(repo), err);
	sys_close(fd);
	return status;
}

static enum hf_status settle(struct hf_repo *repo, struct hf_err *err)
{
	/* a directory may be as new as what was found in it */
	bool made = false;
	enum hf_status status = hf_sync_batch_run(&repo->contents, err);

	for (size_t i = 0; status == HF_OK && i < repo->added_count; i++) {
		if (!repo->added[i].staged)
			made = true;
		else if (give_name(repo, &repo->added[i], &made) < 0)
			return cannot(repo, repo->added[i].oid, err);
		status = note_dir(repo, repo->added[i].oid, err);
	}
	if (status == HF_OK && made)
		status = hf_sync_batch_add(&repo->names, repo->objects, hf_repo_name(repo), err);
	return status;
}

enum hf_status hf_objects_sync_packs(struct hf_repo *repo, struct hf_err *err)
{
	int fd = sys_openat(repo->objects, "pack", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	enum hf_status status = HF_OK;

	if (fd < 0 || hf_publish_fsync(fd) < 0)
		status = hf_fail_errno(err, "cannot store objects in '%s'", hf_repo_name(repo));
	if (fd >= 0)
		sys_close(fd);
	return status;
}

static void release(struct hf_repo *repo)
{
	hf_sync_batch_discard(&repo->contents);
	for (size_t i = 0; i < repo->added_count; i++)
		if (repo->added[i].fd >= 0)
			sys_close(repo->added[i].fd);
	free(repo->added);
	repo->added = NULL;
	repo->added_count = 0;
}

enum hf_status hf_objects_settle(struct hf_repo *repo, struct hf_err *err)
{
	enum hf_status status = settle(repo, err);

	if (status == HF_OK) {
		release(repo);
		hf_objects_discard(repo);
	}
	return status;
}

void hf_objects_discard(struct hf_repo *repo)
{
	int saved = errno;

	/* what has got no name was not made */
	if (repo->added_count)
		hf_objects_forget(repo);
	release(repo);
	if (repo->staging) {
		empty_staging(repo);
		sys_unlinkat(repo->objects, HF_STAGING, AT_REMOVEDIR);
	}
	repo->staging = false;
	errno = saved;
}

void hf_objects_forget(struct hf_repo *repo)
{
	free(repo->made);
	repo->made = NULL;
	repo->made_count = 0;
}

static bool is_there(const struct hf_repo *repo, const char *path)
{
	struct stat st;

	/* what cannot be looked at is not known to be gone */
	return sys_fstatat(repo->objects, path, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool hf_object_is_loose(const struct hf_repo *repo, const char *oid)
{
	char path[HF_LOOSE_SIZE];

	return is_there(repo, hf_loose_object_path(path, oid));
}

bool hf_objects_vanished(const struct hf_repo *repo)
{
	if (repo->staging && !is_there(repo, HF_STAGING))
		return true;
	for (size_t i = 0; i < repo->made_count; i++) {
		const struct hf_object *object = find(repo, repo->made[i]);
		char path[LONG_SIZE];

		if (object && object->fd >= 0) /* it has no name that one could take from it */
			continue;
		staged_name(repo->made[i], path);
		if (!is_there(repo, path) && !hf_object_is_loose(repo, repo->made[i]))
			return true;
	}
	return false;
}
