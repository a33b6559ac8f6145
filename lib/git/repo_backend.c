/* SPDX-License-Identifier: ISC */
#include "git/repo_backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/side_file.h"
#include "base/strerror.h"
#include "base/sys.h"
#include <holdfast/path.h>

#define OURS "holdfast"
#define DURABLE OURS "/durable"

enum { NOTE_SIZE = HF_OID_SIZE + 40 };

static char *without_slash(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return strndup(path, len);
}

static enum hf_status open_repo_dir(int from, const char *path, int *fd, struct hf_err *err)
{
	*fd = sys_openat(from, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return *fd >= 0 ? HF_OK : hf_fail_errno(err, "cannot open Git directory '%s'", path);
}

enum hf_status hf_repo_base_open(struct hf_repo *repo, const char *workdir, const char *gitdir,
				 const char *commondir, struct hf_err *err)
{
	enum hf_status status;

	repo->git = repo->common = repo->objects = repo->lock = -1;
	repo->oid_size = HF_SHA1;
	repo->workdir = without_slash(workdir);
	repo->gitdir = without_slash(gitdir);
	repo->commondir = without_slash(commondir);
	if (!repo->workdir || !repo->gitdir || !repo->commondir ||
	    asprintf(&repo->lock_path, "%s/index.lock", repo->gitdir) < 0) {
		repo->lock_path = NULL;
		errno = ENOMEM;
		return hf_fail_errno(err, "cannot open repository '%s'", gitdir);
	}
	status = open_repo_dir(AT_FDCWD, repo->gitdir, &repo->git, err);
	if (status == HF_OK)
		status = open_repo_dir(AT_FDCWD, repo->commondir, &repo->common, err);
	if (status == HF_OK)
		status = open_repo_dir(repo->common, "objects", &repo->objects, err);
	return status;
}

void hf_repo_base_close(struct hf_repo *repo)
{
	const int fds[] = {repo->git, repo->common, repo->objects};
	int saved = errno;

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			sys_close(fds[i]);
	hf_sync_batch_discard(&repo->contents);
	hf_sync_batch_discard(&repo->names);
	free(repo->workdir);
	free(repo->gitdir);
	free(repo->commondir);
	free(repo->lock_path);
	repo->workdir = repo->gitdir = repo->commondir = repo->lock_path = NULL;
	repo->git = repo->common = repo->objects = -1;
	errno = saved;
}

const char *hf_repo_name(const struct hf_repo *repo)
{
	return repo->workdir[0] ? repo->workdir : repo->gitdir;
}

enum hf_status hf_repo_not_plain(const struct hf_repo *repo, const char *dir, struct hf_err *err)
{
	return hf_fail(err, HF_UNAVAILABLE,
		       "cannot use the repository at '%s': libgit2 does not do as Git with '%s'",
		       dir, repo->plain.unknown);
}

enum hf_status hf_repo_not_owned(const char *dir, struct hf_err *err)
{
	hf_fail(err, HF_NOPERM, "cannot use the repository at '%s': another user owns it", dir);
	hf_advise(err, "if you trust it: git config --global --add safe.directory '%s'", dir);
	return HF_NOPERM;
}

enum hf_status hf_status_in_words(const char *why)
{
	static const int errnums[] = {ENOSPC, EDQUOT, EIO,    EFBIG,  EACCES,
				      EPERM,  EROFS,  EMFILE, ENFILE, ENOMEM};

	for (size_t i = 0; i < sizeof(errnums) / sizeof(errnums[0]); i++)
		if (strstr(why, hf_strerror(errnums[i])))
			return hf_status_of(errnums[i]);
	return HF_DATA;
}

enum hf_status hf_repo_is_set(struct hf_repo *repo, const char *key, bool by_default,
			      struct hf_err *err)
{
	static const char *const yes[] = {"true", "yes", "on", "1", ""};
	char *value = NULL;
	enum hf_status status = repo->ops->config(repo, key, &value, err);

	if (status == HF_NO)
		return by_default ? HF_OK : HF_NO;
	if (status != HF_OK)
		return status;
	status = strtol(value, NULL, 10) ? HF_OK : HF_NO;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (strcasecmp(value, yes[i]) == 0)
			status = HF_OK;
	free(value);
	return status;
}

/* Format the note. It contains the note's own inode, so that a copy of the repository, which may
 * not be synced, has no valid note. Return false with errno on failure. */
static bool format_note(int fd, const char *commit, char text[NOTE_SIZE])
{
	struct stat st;

	if (sys_fstat(fd, &st) < 0)
		return false;
	snprintf(text, NOTE_SIZE, "%s %016jx %016jx\n", commit, (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	return true;
}

/* Open the note if its owner and its writers may write to the repository. -1 with errno. */
static int open_note(struct hf_repo *repo, int access)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct hf_target target = {.dir = repo->common, .path = repo->commondir};
	int fd = sys_openat(repo->common, DURABLE, access | flags, 0);
	struct hf_trust trust;
	struct stat st;

	if (fd < 0)
		return -1;
	hf_trust_init(&trust, &target, repo->common);
	if (sys_fstat(fd, &st) == 0 && !hf_side_distrusts(&trust, fd, &st))
		return fd;
	sys_close(fd);
	errno = EPERM;
	return -1;
}

/* The note is never synced: after a power cut it names a durable commit, or nothing. */
bool hf_tip_is_durable(struct hf_repo *repo, const char *commit)
{
	char noted[NOTE_SIZE] = "", ours[NOTE_SIZE];
	int fd = open_note(repo, O_RDONLY);
	bool is;

	if (fd < 0)
		return false;
	(void)!sys_pread(fd, noted, sizeof(noted) - 1, 0);
	is = format_note(fd, commit, ours) && strcmp(noted, ours) == 0;
	sys_close(fd);
	return is;
}

void hf_tip_durable(struct hf_repo *repo, const char *commit)
{
	int saved = errno, fd = open_note(repo, O_WRONLY);
	char text[NOTE_SIZE];
	struct stat common;

	if (fd < 0 && errno == ENOENT && sys_fstat(repo->common, &common) == 0 &&
	    hf_shared_dir(repo->common, OURS, &common) == HF_OK) {
		const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

		fd = sys_openat(repo->common, DURABLE, flags, 0666);
		if (fd >= 0)
			(void)!sys_fchmod(fd, common.st_mode & 0666);
	}
	if (fd >= 0 && format_note(fd, commit, text))
		(void)!sys_pwrite(fd, text, strlen(text), 0);
	if (fd >= 0)
		sys_close(fd);
	errno = saved;
}

enum hf_status hf_repo_read_file(int dir, const char *path, size_t max, void **text, size_t *size,
				 struct hf_err *err)
{
	int fd = sys_openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	enum hf_status status;
	struct stat st;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? HF_NO
			       : hf_fail_errno(err, "cannot read '%s'", path);
	/* a FIFO could block */
	if (sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		status = hf_read_all(fd, max, text, size, path, err);
	else
		status = hf_fail(err, HF_DATA,
				 "cannot read the rules in '%s': it is not a regular file", path);
	sys_close(fd);
	return status;
}

enum hf_status hf_repo_sync_all(struct hf_repo *repo, struct hf_err *err)
{
	struct stat objects, common;

	if (sys_fstat(repo->objects, &objects) < 0 || sys_fstat(repo->common, &common) < 0 ||
	    sys_syncfs(repo->common) < 0 ||
	    (objects.st_dev != common.st_dev && sys_syncfs(repo->objects) < 0))
		return hf_fail_errno(err, "cannot sync repository '%s'", hf_repo_name(repo));
	return HF_OK;
}
