/* SPDX-License-Identifier: ISC */
#include "repo_objects.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publish.h"
#include "sys.h"

enum { DIR_SIZE = 3, PATH_SIZE = HF_OID_SIZE + 2, LONG_SIZE = sizeof(HF_STAGING) + PATH_SIZE };

/* "OI/D…", in objects/ or in the staging directory. */
static void name_of(const char *oid, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "%.2s/%s", oid, oid + 2);
}

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

enum hf_status hf_objects_add(struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	char path[LONG_SIZE];
	struct hf_object *object, *more;
	bool staged = true;
	int fd;

	/* two files of one content, say */
	for (size_t i = 0; i < repo->added_count; i++)
		if (strcmp(repo->added[i].oid, oid) == 0)
			return HF_OK;
	staged_name(oid, path);
	fd = sys_openat(repo->objects, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0 && errno == ENOENT) {
		staged = false;
		name_of(oid, path);
		fd = sys_openat(repo->objects, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	}
	if (fd < 0)
		return errno == ENOENT ? HF_NO : cannot(repo, oid, err);
	more = reallocarray(repo->added, repo->added_count + 1, sizeof(*more));
	if (!more) {
		sys_close(fd);
		return cannot(repo, oid, err);
	}
	repo->added = more;
	object = &more[repo->added_count++];
	*object = (struct hf_object){.fd = fd, .staged = staged};
	snprintf(object->oid, sizeof(object->oid), "%s", oid);
	/* it only begins; where it cannot, the sync does it all */
	(void)!sys_sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return HF_OK;
}

/* *made: objects/ has a new directory. */
static int give_name(struct hf_repo *repo, const char *oid, bool *made)
{
	char from[LONG_SIZE], to[PATH_SIZE], dir[DIR_SIZE];

	staged_name(oid, from);
	name_of(oid, to);
	if (sys_renameat2(repo->objects, from, repo->objects, to, 0) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	snprintf(dir, sizeof(dir), "%s", to);
	if (sys_mkdirat(repo->objects, dir, 0777) < 0 && errno != EEXIST)
		return -1;
	*made = true;
	return sys_renameat2(repo->objects, from, repo->objects, to, 0);
}

/* The directory of the i-th; once, if several are in it. */
static int sync_dir(struct hf_repo *repo, size_t i)
{
	char dir[DIR_SIZE];
	int fd, r, saved;

	for (size_t k = 0; k < i; k++)
		if (strncmp(repo->added[k].oid, repo->added[i].oid, DIR_SIZE - 1) == 0)
			return 0;
	snprintf(dir, sizeof(dir), "%s", repo->added[i].oid);
	fd = sys_openat(repo->objects, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	r = hf_publish_fsync(fd);
	saved = errno;
	sys_close(fd);
	errno = saved;
	return r;
}

static enum hf_status settle(struct hf_repo *repo, struct hf_err *err)
{
	/* a directory may be as new as what was found in it */
	bool made = false;

	for (size_t i = 0; i < repo->added_count; i++)
		if (hf_publish_fsync(repo->added[i].fd) < 0)
			return cannot(repo, repo->added[i].oid, err);
	for (size_t i = 0; i < repo->added_count; i++) {
		if (!repo->added[i].staged)
			made = true;
		else if (give_name(repo, repo->added[i].oid, &made) < 0)
			return cannot(repo, repo->added[i].oid, err);
	}
	for (size_t i = 0; i < repo->added_count; i++)
		if (sync_dir(repo, i) < 0)
			return cannot(repo, repo->added[i].oid, err);
	if (made && hf_publish_fsync(repo->objects) < 0)
		return hf_fail_errno(err, "cannot store objects in '%s'", hf_repo_name(repo));
	return HF_OK;
}

enum hf_status hf_objects_settle(struct hf_repo *repo, struct hf_err *err)
{
	enum hf_status status = settle(repo, err);

	hf_objects_discard(repo);
	return status;
}

void hf_objects_discard(struct hf_repo *repo)
{
	int saved = errno;

	for (size_t i = 0; i < repo->added_count; i++)
		sys_close(repo->added[i].fd);
	free(repo->added);
	repo->added = NULL;
	repo->added_count = 0;
	if (repo->staging) {
		empty_staging(repo);
		sys_unlinkat(repo->objects, HF_STAGING, AT_REMOVEDIR);
	}
	repo->staging = false;
	errno = saved;
}
