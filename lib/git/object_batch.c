/* SPDX-License-Identifier: ISC */
#include "git/object_batch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic/publish.h"
#include "base/array.h"
#include "base/sys.h"
#include "git/git_cli_pack.h"
#include "git/loose_object.h"

enum { DIR_SIZE = 3, LONG_SIZE = sizeof(HF_STAGING) + HF_LOOSE_SIZE };

static void staged_name(const char *oid, char path[LONG_SIZE])
{
	snprintf(path, LONG_SIZE, HF_STAGING "/%s", oid);
}

static enum hf_status fail_store(const struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot store object %s in '%s'", oid, hf_repo_name(repo));
}

/* Empty the staging directory. Return false if there is none. */
static bool empty_staging(struct hf_repo *repo)
{
	int fd = sys_openat(repo->objects, HF_STAGING,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			sys_close(fd);
		return false;
	}
	while ((entry = readdir(dir)))
		sys_unlinkat(fd, entry->d_name, 0);
	closedir(dir);
	return true;
}

/* Make the staging directory, or empty one that a killed process left. */
static enum hf_status begin_staging(struct hf_repo *repo, struct hf_err *err)
{
	if (repo->staging || empty_staging(repo) ||
	    sys_mkdirat(repo->objects, HF_STAGING, 0777) == 0) {
		repo->staging = true;
		return HF_OK;
	}
	return hf_fail_errno(err, "cannot store objects in '%s'", hf_repo_name(repo));
}

static enum hf_status remember_name(struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	char *made;

	for (size_t i = 0; i < repo->made_count; i++)
		if (strcmp(repo->made[i], oid) == 0)
			return HF_OK;
	made = hf_array_add(&repo->made, &repo->made_count, HF_OID_SIZE);
	if (!made)
		return fail_store(repo, oid, err);
	snprintf(made, HF_OID_SIZE, "%s", oid);
	return HF_OK;
}

static const struct hf_object *find_added(const struct hf_repo *repo, const char *oid)
{
	for (size_t i = 0; i < repo->added_count; i++)
		if (strcmp(repo->added[i].oid, oid) == 0)
			return &repo->added[i];
	return NULL;
}

/* Add an object. fd is open on it, and stays the caller's on failure. */
static enum hf_status add_object(struct hf_repo *repo, struct hf_object object, int fd,
				 const char *oid, struct hf_err *err)
{
	struct hf_object *added;
	enum hf_status status = hf_sync_batch_add(&repo->contents, fd, hf_repo_name(repo), err);

	if (status != HF_OK)
		return status;
	added = hf_array_add(&repo->added, &repo->added_count, sizeof(*added));
	if (!added)
		return fail_store(repo, oid, err);
	*added = object;
	snprintf(added->oid, sizeof(added->oid), "%s", oid);
	return HF_OK;
}

enum hf_status hf_objects_add(struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	struct hf_object object = {.fd = -1, .staged = true};
	char path[LONG_SIZE];
	enum hf_status status;
	int fd;

	/* added already, as with two files of the same content */
	if (find_added(repo, oid))
		return HF_OK;
	if (remember_name(repo, oid, err) != HF_OK)
		return HF_OS;
	staged_name(oid, path);
	fd = sys_openat(repo->objects, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0 && errno == ENOENT) {
		object.staged = false;
		fd = sys_openat(repo->objects, hf_loose_object_path(path, oid),
				O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	}
	if (fd < 0)
		return errno == ENOENT ? HF_NO : fail_store(repo, oid, err);
	/* starts writing; where this fails, fsync does everything */
	(void)!sys_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	status = add_object(repo, object, fd, oid, err);
	sys_close(fd);
	return status;
}

/* Add an object without a name. Takes over fd in every case. */
static enum hf_status add_unnamed(struct hf_repo *repo, const char *oid, int fd, struct hf_err *err)
{
	const struct hf_object object = {.fd = fd, .staged = true};
	enum hf_status status = remember_name(repo, oid, err);

	if (status == HF_OK && !find_added(repo, oid)) {
		status = add_object(repo, object, fd, oid, err);
		if (status == HF_OK)
			return HF_OK;
	}
	sys_close(fd);
	return status;
}

/* Write an object into the staging directory, where there are no unnamed files. */
static enum hf_status put_staged(struct hf_repo *repo, const struct hf_object_source *source,
				 char oid[HF_OID_SIZE], struct hf_err *err)
{
	enum hf_status status = begin_staging(repo, err);
	char path[LONG_SIZE];
	int fd;

	if (status == HF_OK)
		status = hf_loose_object_write(repo, source, HF_STAGING "/new", oid, &fd, err);
	if (status != HF_OK)
		return status;
	sys_close(fd);
	staged_name(oid, path);
	if (sys_renameat2(repo->objects, HF_STAGING "/new", repo->objects, path, 0) < 0)
		return fail_store(repo, oid, err);
	return hf_objects_add(repo, oid, err);
}

enum hf_status hf_object_store(struct hf_repo *repo, const struct hf_object_source *source,
			       char oid[HF_OID_SIZE], struct hf_err *err)
{
	enum hf_status status;
	int fd;

	if (repo->plain.no_objects)
		return hf_git_store(repo, source, oid, err);
	status = hf_loose_object_write(repo, source, NULL, oid, &fd, err);
	if (status == HF_UNAVAILABLE)
		return put_staged(repo, source, oid, err);
	if (status != HF_OK)
		return status;
	if (hf_loose_object_renew(repo, oid, fd)) {
		status = hf_objects_add(repo, oid, err);
		if (status != HF_NO) {
			sys_close(fd);
			return status;
		}
		/* removed in the meantime */
	}
	return add_unnamed(repo, oid, fd, err);
}

/* Give an object its name. Set *made if objects/ has a new directory. */
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
	*made = true; /* or another process has made it just now */
	return sys_renameat2(repo->objects, from, repo->objects, to, 0);
}

/* Add the object's directory to the names that must be synced. */
static enum hf_status add_dir_to_sync(struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	char dir[DIR_SIZE];
	enum hf_status status;
	int fd;

	snprintf(dir, sizeof(dir), "%s", oid);
	fd = sys_openat(repo->objects, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fail_store(repo, oid, err);
	status = hf_sync_batch_add(&repo->names, fd, hf_repo_name(repo), err);
	sys_close(fd);
	return status;
}

static enum hf_status settle_objects(struct hf_repo *repo, struct hf_err *err)
{
	/* a directory that was found may be as new as the object */
	bool made = false;
	enum hf_status status = hf_git_store_kept(repo, err);

	if (status == HF_OK)
		status = hf_sync_batch_run(&repo->contents, err);
	for (size_t i = 0; status == HF_OK && i < repo->added_count; i++) {
		if (!repo->added[i].staged)
			made = true;
		else if (give_name(repo, &repo->added[i], &made) < 0)
			return fail_store(repo, repo->added[i].oid, err);
		status = add_dir_to_sync(repo, repo->added[i].oid, err);
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

static void release_batch(struct hf_repo *repo)
{
	hf_sync_batch_discard(&repo->contents);
	hf_git_forget_kept(repo);
	for (size_t i = 0; i < repo->added_count; i++)
		if (repo->added[i].fd >= 0)
			sys_close(repo->added[i].fd);
	free(repo->added);
	repo->added = NULL;
	repo->added_count = 0;
}

enum hf_status hf_objects_settle(struct hf_repo *repo, struct hf_err *err)
{
	enum hf_status status = settle_objects(repo, err);

	if (status == HF_OK) {
		release_batch(repo);
		hf_objects_discard(repo);
	}
	return status;
}

void hf_objects_discard(struct hf_repo *repo)
{
	int saved = errno;

	/* an object without its name was not made */
	if (repo->added_count)
		hf_objects_forget(repo);
	release_batch(repo);
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

static bool may_exist(const struct hf_repo *repo, const char *path)
{
	struct stat st;

	/* an entry that cannot be read may exist */
	return sys_fstatat(repo->objects, path, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool hf_object_is_loose(const struct hf_repo *repo, const char *oid)
{
	char path[HF_LOOSE_SIZE];

	return may_exist(repo, hf_loose_object_path(path, oid));
}

bool hf_objects_vanished(const struct hf_repo *repo)
{
	if (repo->staging && !may_exist(repo, HF_STAGING))
		return true;
	for (size_t i = 0; i < repo->made_count; i++) {
		const struct hf_object *object = find_added(repo, repo->made[i]);
		char path[LONG_SIZE];

		if (object && object->fd >= 0) /* it has no name, so no process can remove it */
			continue;
		staged_name(repo->made[i], path);
		if (!may_exist(repo, path) && !hf_object_is_loose(repo, repo->made[i]))
			return true;
	}
	return false;
}
