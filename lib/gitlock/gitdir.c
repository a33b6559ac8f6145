/* SPDX-License-Identifier: ISC */
#include "gitlock/gitdir.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/sys.h"

#define LEADS_NOWHERE "its file .git does not lead to one"

enum { MIN_ID = 40 }; /* hexadecimal digits of SHA-1; SHA-256 has 64 */

bool hf_gitdir_join(char *out, const char *dir, const char *name)
{
	int n;

	if (name[0] == '/')
		n = snprintf(out, PATH_MAX, "%s", name);
	else
		n = snprintf(out, PATH_MAX, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
	return n >= 0 && n < PATH_MAX;
}

/* Read the first line of a small file, without its end. Return false with errno on failure. */
static bool read_first_line(const char *dir, const char *name, char line[PATH_MAX])
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

/* Resolve "DIR/NAME" without symbolic links. Return false with errno if it is absent or too
 * long. */
static bool resolve_path(char *out, const char *dir, const char *name)
{
	char path[PATH_MAX];

	errno = ENAMETOOLONG;
	return hf_gitdir_join(path, dir, name) && realpath(path, out);
}

/* Return true if it is a directory; false with errno, or 0 for another type. */
static bool is_dir(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	errno = 0;
	return hf_gitdir_join(path, dir, name) && sys_fstatat(AT_FDCWD, path, &st, 0) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* Return true if an entry may exist but cannot be read now. To treat it as absent would continue
 * the search to the repository around this one. An entry that may not be read is absent, as for
 * Git. */
static bool is_failure(int error)
{
	static const int absent[] = {0,	    ENOENT,	  ENOTDIR, EACCES, EPERM,
				     ELOOP, ENAMETOOLONG, EINVAL,  EISDIR, ENXIO};

	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		if (error == absent[i])
			return false;
	return true;
}

/* Return true if HEAD has a reference or an object id. An old HEAD is a symbolic link to
 * "refs/heads/…". Return false with errno, or 0 if HEAD has something else. */
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
	if (!read_first_line(git, "HEAD", line))
		return false;
	if (strncmp(at, "ref:", 4) == 0) {
		for (at += 4; isspace((unsigned char)*at); at++)
			;
		return strncmp(at, "refs/", 5) == 0;
	}
	return strspn(at, "0123456789abcdef") >= MIN_ID;
}

/* Return true if `git`, an absolute path, is a git directory; set git and common. False with
 * errno. */
static bool is_repository(struct hf_gitdir *found, const char *git)
{
	char line[PATH_MAX];
	bool linked;

	if (!has_head(git) || snprintf(found->git, PATH_MAX, "%s", git) >= PATH_MAX)
		return false;
	strcpy(found->common, found->git);
	linked = read_first_line(git, "commondir", line);
	if (!linked && is_failure(errno))
		return false;
	if (linked && line[0] && !resolve_path(found->common, git, line))
		return false;
	return is_dir(found->common, "objects") && is_dir(found->common, "refs");
}

/* Find the worktree; the file `gitdir` in the directory of a linked worktree names its .git. */
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
		if (!read_first_line(found->git, "gitdir", line))
			return;
		slash = strrchr(line, '/');
	}
	if (!slash || slash == line)
		return;
	*slash = '\0';
	if (!resolve_path(found->worktree, found->git, line))
		found->worktree[0] = '\0';
}

static enum hf_status fail_not_found(const char *dir, const char *why, struct hf_err *err)
{
	return hf_fail(err, HF_NOINPUT, "no Git repository at '%s': %s", dir, why);
}

/* Report that there is no repository, according to errno: HF_NO if it is absent. */
static enum hf_status absent_or_error(const char *named, struct hf_err *err)
{
	if (!is_failure(errno))
		return HF_NO;
	return hf_fail_errno(err, "cannot look for a Git repository at '%s'", named);
}

/* The same for a repository that must exist. */
static enum hf_status fail_missing(const char *named, const char *why, struct hf_err *err)
{
	enum hf_status status = absent_or_error(named, err);

	return status == HF_NO ? fail_not_found(named, why, err) : status;
}

/* The same for a path that the user or the environment names. */
static enum hf_status fail_named(const char *named, struct hf_err *err)
{
	enum hf_status status = absent_or_error(named, err);

	if (status != HF_NO)
		return status;
	return hf_fail_errno_as(err, errno == EACCES ? HF_NOPERM : HF_NOINPUT,
				"no Git repository at '%s'", named);
}

/* Read the path in a file "gitdir: PATH" in `at` into git. */
static enum hf_status follow_gitdir_file(char *git, const char *at, const char *name,
					 const char *named, struct hf_err *err)
{
	char line[PATH_MAX], *end;

	if (!read_first_line(at, name, line))
		return fail_missing(named, "its file .git cannot be read", err);
	if (strncmp(line, "gitdir: ", 8) != 0)
		return fail_not_found(named, "its file .git does not say where it is", err);
	end = line + strlen(line);
	while (end > line + 8 && end[-1] == ' ')
		*--end = '\0';
	return resolve_path(git, at, line + 8) ? HF_OK : fail_missing(named, LEADS_NOWHERE, err);
}

/* Find the repository at the absolute path `at`. HF_NO: there is none. */
static enum hf_status find_at(struct hf_gitdir *found, const char *at, const char *named,
			      struct hf_err *err)
{
	char path[PATH_MAX], git[PATH_MAX];
	enum hf_status status;
	struct stat st;

	if (!hf_gitdir_join(path, at, ".git"))
		return fail_not_found(named, "the path is too long", err);
	errno = 0;
	if (sys_fstatat(AT_FDCWD, path, &st, 0) < 0 && is_failure(errno))
		return absent_or_error(named, err);
	if (!errno && S_ISREG(st.st_mode)) {
		status = follow_gitdir_file(git, at, ".git", named, err);
		if (status != HF_OK)
			return status;
		if (!is_repository(found, git))
			return fail_missing(named, LEADS_NOWHERE, err);
		strcpy(found->worktree, at);
		return HF_OK;
	}
	if (resolve_path(git, at, ".git") && is_repository(found, git)) {
		strcpy(found->worktree, at);
		return HF_OK;
	}
	status = absent_or_error(named, err);
	if (status == HF_NO && is_repository(found, at)) {
		find_worktree(found);
		return HF_OK;
	}
	return status == HF_NO ? absent_or_error(named, err) : status;
}

static bool crosses_file_systems(void)
{
	const char *value = getenv("GIT_DISCOVERY_ACROSS_FILESYSTEM");

	return value && (strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0 ||
			 strcasecmp(value, "yes") == 0 || strcasecmp(value, "on") == 0);
}

/* Search from `dir` upward. */
static enum hf_status search_upward(struct hf_gitdir *found, const char *dir, struct hf_err *err)
{
	char at[PATH_MAX], *slash;
	struct stat first, st;

	if (!realpath(dir, at) || sys_fstatat(AT_FDCWD, at, &first, 0) < 0)
		return fail_named(dir, err);
	if (!S_ISDIR(first.st_mode))
		return fail_not_found(dir, "it is not a directory", err);
	for (;;) {
		enum hf_status status = find_at(found, at, dir, err);

		if (status != HF_NO)
			return status;
		slash = strrchr(at, '/');
		if (strcmp(at, "/") == 0)
			return fail_not_found(dir, "there is no .git in it or above it", err);
		slash[slash == at] = '\0';
		if (sys_fstatat(AT_FDCWD, at, &st, 0) < 0)
			return fail_missing(dir, "the directory above it may not be inspected",
					    err);
		if (st.st_dev != first.st_dev && !crosses_file_systems())
			return fail_not_found(dir,
					      "there is no .git in it or above it, up to where the "
					      "file system ends",
					      err);
	}
}

/* Find the repository that the environment names. */
static enum hf_status find_from_environment(struct hf_gitdir *found, const char *dir,
					    struct hf_err *err)
{
	const char *common = getenv("GIT_COMMON_DIR"), *worktree = getenv("GIT_WORK_TREE");
	char git[PATH_MAX], file[PATH_MAX];
	struct stat st;

	if (!realpath(dir, git) || sys_fstatat(AT_FDCWD, git, &st, 0) < 0)
		return fail_named(dir, err);
	/* GIT_DIR may be a file that leads to the directory */
	if (S_ISREG(st.st_mode)) {
		char *slash = strrchr(strcpy(file, git), '/');
		enum hf_status status;

		*slash = '\0';
		status = follow_gitdir_file(git, slash == file ? "/" : file, slash + 1, dir, err);
		if (status != HF_OK)
			return status;
	}
	if (!is_repository(found, git) && !(common && has_head(git)))
		return fail_missing(dir, "it is none itself", err);
	if (common && !realpath(common, found->common))
		return fail_named(common, err);
	find_worktree(found);
	worktree = worktree ? worktree : ".";
	if (!realpath(worktree, found->worktree)) {
		enum hf_status status = absent_or_error(worktree, err);

		return status != HF_NO
			       ? status
			       : hf_fail_errno_as(err, HF_NOINPUT, "no worktree at '%s'", worktree);
	}
	return HF_OK;
}

enum hf_status hf_gitdir_find(struct hf_gitdir *found, const char *dir, struct hf_err *err)
{
	const char *index = dir ? NULL : getenv("GIT_INDEX_FILE");
	const char *git = dir ? NULL : getenv("GIT_DIR");
	enum hf_status status;
	char here[PATH_MAX];

	status = git && *git ? find_from_environment(found, git, err)
			     : search_upward(found, dir ? dir : ".", err);
	if (status != HF_OK)
		return status;
	if (!index || !*index) {
		index = "index";
		strcpy(here, found->git);
	} else if (!getcwd(here, sizeof(here))) {
		return hf_fail_errno(err, "cannot find the working directory");
	}
	if (!hf_gitdir_join(found->index, here, index))
		return fail_not_found(found->git, "the path is too long", err);
	return HF_OK;
}
