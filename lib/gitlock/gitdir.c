/* SPDX-License-Identifier: ISC */
#include "gitlock/gitdir.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sys.h"

#define LEADS_NOWHERE "what its file .git leads to is none"

enum { MIN_ID = 40 }; /* SHA-1's hexadecimal digits; SHA-256 has 64 */

bool hf_gitdir_join(char *out, const char *dir, const char *name)
{
	int n;

	if (name[0] == '/')
		n = snprintf(out, PATH_MAX, "%s", name);
	else
		n = snprintf(out, PATH_MAX, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
	return n >= 0 && n < PATH_MAX;
}

/* The first line of a small file, without what ends it. false, with errno. */
static bool read_line(const char *dir, const char *name, char line[PATH_MAX])
{
	char path[PATH_MAX];
	ssize_t n;
	int fd, saved;

	errno = ENAMETOOLONG;
	if (!hf_gitdir_join(path, dir, name))
		return false;
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	n = sys_read(fd, line, PATH_MAX - 1);
	saved = errno;
	sys_close(fd);
	errno = saved;
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return n >= 0;
}

/* "DIR/NAME", as it is without links. false, with errno: it is not there, or is too long. */
static bool resolve(char *out, const char *dir, const char *name)
{
	char path[PATH_MAX];

	errno = ENAMETOOLONG;
	return hf_gitdir_join(path, dir, name) && realpath(path, out);
}

/* false with errno, or 0: it is something else. */
static bool is_dir(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	errno = 0;
	return hf_gitdir_join(path, dir, name) &&
	       sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* Not absent, but not to be looked at now: whoever took it for absent would go on to the repository
 * around this one. What one may not look at is absent, as it is for Git. */
static bool is_failure(int error)
{
	static const int absent[] = {0,	    ENOENT,	  ENOTDIR, EACCES, EPERM,
				     ELOOP, ENAMETOOLONG, EINVAL,  EISDIR, ENXIO};

	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		if (error == absent[i])
			return false;
	return true;
}

/* A reference or an object's id; a symbolic link of old was "refs/heads/…". false with errno, or 0:
 * there is one that is none. */
static bool has_head(const char *git)
{
	char path[PATH_MAX], line[PATH_MAX], *at = line;
	ssize_t n;

	errno = 0;
	if (!hf_gitdir_join(path, git, "HEAD"))
		return false;
	n = sys_readlinkat(AT_FDCWD, path, line, sizeof(line) - 1);
	if (n > 0) {
		line[n] = '\0';
		return strncmp(line, "refs/", 5) == 0;
	}
	if (n < 0 && is_failure(errno))
		return false;
	errno = 0;
	if (!read_line(git, "HEAD", line))
		return false;
	if (strncmp(at, "ref:", 4) == 0) {
		for (at += 4; isspace((unsigned char)*at); at++)
			;
		return strncmp(at, "refs/", 5) == 0;
	}
	return strspn(at, "0123456789abcdef") >= MIN_ID;
}

/* Is `git`, which is absolute, a repository's directory? Fills git and common. false with errno. */
static bool is_repository(struct hf_gitdir *found, const char *git)
{
	char line[PATH_MAX];
	bool linked;

	if (!has_head(git) || snprintf(found->git, PATH_MAX, "%s", git) >= PATH_MAX)
		return false;
	strcpy(found->common, found->git);
	linked = read_line(git, "commondir", line);
	if (!linked && is_failure(errno))
		return false;
	if (linked && line[0] && !resolve(found->common, git, line))
		return false;
	return is_dir(found->common, "objects") && is_dir(found->common, "refs");
}

/* A linked worktree's directory has a file `gitdir` that names its .git. */
static void find_worktree(struct hf_gitdir *found)
{
	char line[PATH_MAX], *slash;

	found->worktree[0] = '\0';
	if (strcmp(found->git, found->common) == 0) {
		strcpy(line, found->git);
		slash = strrchr(line, '/');
		if (strcmp(slash, "/.git") != 0)
			return;
	} else {
		if (!read_line(found->git, "gitdir", line))
			return;
		slash = strrchr(line, '/');
	}
	if (!slash || slash == line)
		return;
	*slash = '\0';
	if (!resolve(found->worktree, found->git, line))
		found->worktree[0] = '\0';
}

static enum hf_status not_found(const char *dir, const char *why, struct hf_err *err)
{
	return hf_fail(err, HF_NOINPUT, "no Git repository at '%s': %s", dir, why);
}

/* It is none, and errno says why: HF_NO, if it is not there. */
static enum hf_status none(const char *named, struct hf_err *err)
{
	if (!is_failure(errno))
		return HF_NO;
	return hf_fail_errno(err, "cannot look for a Git repository at '%s'", named);
}

/* The same, where it had to be there. */
static enum hf_status missing(const char *named, const char *why, struct hf_err *err)
{
	enum hf_status status = none(named, err);

	return status == HF_NO ? not_found(named, why, err) : status;
}

/* The same of a path that the user or the environment has named. */
static enum hf_status absent(const char *named, struct hf_err *err)
{
	enum hf_status status = none(named, err);

	if (status != HF_NO)
		return status;
	return hf_fail_errno_as(err, errno == EACCES ? HF_NOPERM : HF_NOINPUT,
				"no Git repository at '%s'", named);
}

/* Where a file "gitdir: PATH" in `at` leads to, into git. */
static enum hf_status follow(char *git, const char *at, const char *name, const char *named,
			     struct hf_err *err)
{
	char line[PATH_MAX], *end;

	if (!read_line(at, name, line))
		return missing(named, "its file .git cannot be read", err);
	if (strncmp(line, "gitdir: ", 8) != 0)
		return not_found(named, "its file .git does not say where it is", err);
	end = line + strlen(line);
	while (end > line + 8 && end[-1] == ' ')
		*--end = '\0';
	return resolve(git, at, line + 8) ? HF_OK : missing(named, LEADS_NOWHERE, err);
}

/* What is in `at`, an absolute path? HF_NO: nothing. */
static enum hf_status look_in(struct hf_gitdir *found, const char *at, const char *named,
			      struct hf_err *err)
{
	char path[PATH_MAX], git[PATH_MAX];
	enum hf_status status;
	struct stat st;

	if (!hf_gitdir_join(path, at, ".git"))
		return not_found(named, "the path is too long", err);
	errno = 0;
	if (sys_fstatat(AT_FDCWD, path, &st, 0) < 0 && is_failure(errno))
		return none(named, err);
	if (!errno && S_ISREG(st.st_mode)) {
		status = follow(git, at, ".git", named, err);
		if (status != HF_OK)
			return status;
		if (!is_repository(found, git))
			return missing(named, LEADS_NOWHERE, err);
		strcpy(found->worktree, at);
		return HF_OK;
	}
	if (resolve(git, at, ".git") && is_repository(found, git)) {
		strcpy(found->worktree, at);
		return HF_OK;
	}
	status = none(named, err);
	if (status == HF_NO && is_repository(found, at)) {
		find_worktree(found);
		return HF_OK;
	}
	return status == HF_NO ? none(named, err) : status;
}

static bool crosses_file_systems(void)
{
	const char *value = getenv("GIT_DISCOVERY_ACROSS_FILESYSTEM");

	return value && (strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0 ||
			 strcasecmp(value, "yes") == 0 || strcasecmp(value, "on") == 0);
}

/* From `dir` upward. */
static enum hf_status search(struct hf_gitdir *found, const char *dir, struct hf_err *err)
{
	char at[PATH_MAX], *slash;
	struct stat first, st;

	if (!realpath(dir, at) || sys_fstatat(AT_FDCWD, at, &first, 0) < 0)
		return absent(dir, err);
	if (!S_ISDIR(first.st_mode))
		return not_found(dir, "it is not a directory", err);
	for (;;) {
		enum hf_status status = look_in(found, at, dir, err);

		if (status != HF_NO)
			return status;
		slash = strrchr(at, '/');
		if (strcmp(at, "/") == 0)
			return not_found(dir, "there is no .git in it or above it", err);
		slash[slash == at] = '\0';
		if (sys_fstatat(AT_FDCWD, at, &st, 0) < 0)
			return missing(dir, "what is above it may not be looked at", err);
		if (st.st_dev != first.st_dev && !crosses_file_systems())
			return not_found(dir, "there is no .git in it or above it, up to where the "
					      "file system ends", err);
	}
}

/* As Git's own environment says. */
static enum hf_status from_environment(struct hf_gitdir *found, const char *dir,
				       struct hf_err *err)
{
	const char *common = getenv("GIT_COMMON_DIR"), *worktree = getenv("GIT_WORK_TREE");
	char git[PATH_MAX], file[PATH_MAX];
	struct stat st;

	if (!realpath(dir, git) || sys_fstatat(AT_FDCWD, git, &st, 0) < 0)
		return absent(dir, err);
	/* GIT_DIR may be a file that leads on, too */
	if (S_ISREG(st.st_mode)) {
		char *slash = strrchr(strcpy(file, git), '/');
		enum hf_status status;

		*slash = '\0';
		status = follow(git, slash == file ? "/" : file, slash + 1, dir, err);
		if (status != HF_OK)
			return status;
	}
	if (!is_repository(found, git) && !(common && has_head(git)))
		return missing(dir, "it is none itself", err);
	if (common && !realpath(common, found->common))
		return absent(common, err);
	find_worktree(found);
	worktree = worktree ? worktree : ".";
	if (!realpath(worktree, found->worktree)) {
		enum hf_status status = none(worktree, err);

		return status != HF_NO ? status
				       : hf_fail_errno_as(err, HF_NOINPUT, "no worktree at '%s'",
							  worktree);
	}
	return HF_OK;
}

enum hf_status hf_gitdir_find(struct hf_gitdir *found, const char *dir, struct hf_err *err)
{
	const char *index = dir ? NULL : getenv("GIT_INDEX_FILE");
	const char *git = dir ? NULL : getenv("GIT_DIR");
	enum hf_status status;
	char here[PATH_MAX];

	status = git && *git ? from_environment(found, git, err)
			     : search(found, dir ? dir : ".", err);
	if (status != HF_OK)
		return status;
	if (!index || !*index) {
		index = "index";
		strcpy(here, found->git);
	} else if (!getcwd(here, sizeof(here))) {
		return hf_fail_errno(err, "cannot tell the working directory");
	}
	if (!hf_gitdir_join(found->index, here, index))
		return not_found(found->git, "the path is too long", err);
	return HF_OK;
}
