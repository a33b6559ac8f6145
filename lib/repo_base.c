/* SPDX-License-Identifier: ISC */
#include "repo_base.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "publish.h"
#include "sys.h"

#define OURS "holdfast"
#define DURABLE OURS "/durable"

static char *without_slash(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return strndup(path, len);
}

static enum hf_status open_dir(int from, const char *path, int *fd, struct hf_err *err)
{
	*fd = sys_openat(from, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return *fd >= 0 ? HF_OK : hf_fail_errno(err, "cannot open Git directory '%s'", path);
}

enum hf_status hf_repo_base_open(struct hf_repo *repo, const char *workdir, const char *gitdir,
				 const char *commondir, struct hf_err *err)
{
	enum hf_status status;

	repo->git = repo->common = repo->objects = repo->lock = -1;
	repo->workdir = without_slash(workdir);
	repo->gitdir = without_slash(gitdir);
	repo->commondir = without_slash(commondir);
	if (!repo->workdir || !repo->gitdir || !repo->commondir ||
	    asprintf(&repo->lock_path, "%s/index.lock", repo->gitdir) < 0) {
		repo->lock_path = NULL;
		errno = ENOMEM;
		return hf_fail_errno(err, "cannot open repository '%s'", gitdir);
	}
	status = open_dir(AT_FDCWD, repo->gitdir, &repo->git, err);
	if (status == HF_OK)
		status = open_dir(AT_FDCWD, repo->commondir, &repo->common, err);
	if (status == HF_OK)
		status = open_dir(repo->common, "objects", &repo->objects, err);
	return status;
}

void hf_repo_base_close(struct hf_repo *repo)
{
	const int fds[] = {repo->git, repo->common, repo->objects};
	int saved = errno;

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			sys_close(fds[i]);
	free(repo->workdir);
	free(repo->gitdir);
	free(repo->commondir);
	free(repo->lock_path);
	errno = saved;
}

const char *hf_repo_name(const struct hf_repo *repo)
{
	return repo->workdir[0] ? repo->workdir : repo->gitdir;
}

/* fsync `path`; -1 with errno. */
static int sync_at(int dir, const char *path, int flags)
{
	int fd = sys_openat(dir, path, O_RDONLY | O_CLOEXEC | flags, 0), r, saved;

	if (fd < 0)
		return -1;
	r = hf_publish_fsync(fd);
	saved = errno;
	sys_close(fd);
	errno = saved;
	return r;
}

enum hf_status hf_object_sync(struct hf_repo *repo, const char *oid, struct hf_err *err)
{
	char path[HF_OID_SIZE + 1], fan[3] = {oid[0], oid[1], '\0'};

	snprintf(path, sizeof(path), "%s/%s", fan, oid + 2);
	if (sync_at(repo->objects, path, O_NOFOLLOW) == 0 &&
	    sync_at(repo->objects, fan, O_DIRECTORY) == 0 && hf_publish_fsync(repo->objects) == 0)
		return HF_OK;
	if (errno == ENOENT || errno == ENOTDIR)
		return HF_NO;
	return hf_fail_errno(err, "cannot sync object %s of '%s'", oid, hf_repo_name(repo));
}

enum hf_status hf_ref_sync(struct hf_repo *repo, const char *ref, struct hf_err *err)
{
	int base = strcmp(ref, "HEAD") == 0 ? repo->git : repo->common;
	char *path = strdup(ref), *slash;
	enum hf_status status = HF_OK;

	if (!path)
		return hf_fail_errno(err, "cannot sync '%s'", ref);
	while (status == HF_OK && (slash = strrchr(path, '/'))) {
		*slash = '\0';
		/* where refs are not files (reftable), there are no such directories */
		if (sync_at(base, path, O_DIRECTORY) < 0 && errno != ENOENT && errno != ENOTDIR)
			status = hf_fail_errno_as(err, HF_UNCERTAIN,
						  "'%s' was moved, but cannot be synced", ref);
	}
	free(path);
	if (status == HF_OK && hf_publish_fsync(base) < 0)
		status = hf_fail_errno_as(err, HF_UNCERTAIN, "'%s' was moved, but cannot be synced",
					  ref);
	return status;
}

/* A note that is never synced: what a power cut leaves of it names a durable commit, or none. */
bool hf_tip_is_durable(struct hf_repo *repo, const char *commit)
{
	char noted[HF_OID_SIZE] = "";
	int fd = sys_openat(repo->common, DURABLE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0)
		return false;
	(void)!sys_pread(fd, noted, sizeof(noted) - 1, 0);
	sys_close(fd);
	return strcmp(noted, commit) == 0;
}

void hf_tip_durable(struct hf_repo *repo, const char *commit)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	int saved = errno, fd = sys_openat(repo->common, DURABLE, flags, 0666);

	if (fd >= 0) {
		(void)!sys_pwrite(fd, commit, strlen(commit), 0);
		sys_close(fd);
	}
	errno = saved;
}

enum hf_status hf_repo_sync_all(struct hf_repo *repo, struct hf_err *err)
{
	if (sys_syncfs(repo->objects) < 0 ||
	    (repo->git != repo->common && sys_syncfs(repo->common) < 0))
		return hf_fail_errno(err, "cannot sync repository '%s'", hf_repo_name(repo));
	return HF_OK;
}
