/* SPDX-License-Identifier: ISC */
#include "git/tree_path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "git/index_read.h"
#include "git/plain_rules.h"
#include "git/sparse.h"
#include <holdfast/path.h>

enum { SUBMODULE = 0160000 };

static enum hf_status too_long(const char *path, struct hf_err *err)
{
	errno = ENAMETOOLONG;
	return hf_fail_errno(err, "cannot use '%s'", path);
}

/* Return the real path of a directory whose end may not exist. dir is modified. */
static enum hf_status resolve_dir(const char *path, char *dir, char real[PATH_MAX],
				  struct hf_err *err)
{
	char rest[PATH_MAX] = "", longer[PATH_MAX];
	struct stat st;

	while (!realpath(*dir ? dir : ".", real)) {
		char *slash, *name;

		if (errno != ENOENT)
			return hf_fail_errno_as(err, HF_DATA, "cannot follow '%s'", path);
		while ((slash = strrchr(dir, '/')) && !slash[1] && slash > dir)
			*slash = '\0';
		name = slash ? slash + 1 : dir;
		if (strcmp(name, "..") == 0 || !*name)
			return hf_fail_errno_as(err, HF_DATA, "cannot follow '%s'", path);
		if (strcmp(name, ".") != 0) {
			if (snprintf(longer, sizeof(longer), "/%s%s", name, rest) >=
			    (int)sizeof(longer))
				return too_long(path, err);
			strcpy(rest, longer);
		}
		if (slash == dir)
			slash++;
		if (slash)
			*slash = '\0';
		else
			*dir = '\0';
	}
	if (strlen(real) + strlen(rest) >= PATH_MAX)
		return too_long(path, err);
	if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return hf_fail_errno_as(err, HF_DATA, "cannot follow '%s'", path);
	}
	strcat(real, strcmp(real, "/") == 0 && *rest ? rest + 1 : rest);
	return HF_OK;
}

static enum hf_status refuse_kind(const char *path, mode_t mode, struct hf_err *err)
{
	return hf_fail(err, HF_DATA, "cannot commit '%s': it is %s", path,
		       S_ISDIR(mode) ? "a directory" : "not a regular file");
}

static enum hf_status resolve_file(const char *path, char real[PATH_MAX], struct hf_err *err)
{
	char dir[PATH_MAX], *slash;
	const char *name;
	enum hf_status status;
	struct stat st;
	bool root;

	if (strlen(path) >= sizeof(dir))
		return too_long(path, err);
	strcpy(dir, path);
	slash = strrchr(dir, '/');
	name = slash ? path + (slash - dir) + 1 : path;
	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return *path ? refuse_kind(path, S_IFDIR, err) : hf_path_empty(err);
	slash = slash ? slash + (slash == dir) : dir;
	*slash = '\0';
	status = resolve_dir(path, dir, real, err);
	if (status != HF_OK)
		return status;
	root = strcmp(real, "/") == 0;
	if (strlen(real) + strlen(name) + 2 > PATH_MAX)
		return too_long(path, err);
	if (!root)
		strcat(real, "/");
	strcat(real, name);
	if (lstat(real, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? HF_OK
			       : hf_fail_errno(err, "cannot read the state of '%s'", path);
	if (S_ISLNK(st.st_mode)) {
		strcpy(dir, real);
		if (!realpath(dir, real) || lstat(real, &st) < 0)
			return hf_fail_errno_as(err, HF_DATA, "cannot follow '%s'", path);
	}
	return S_ISREG(st.st_mode) ? HF_OK : refuse_kind(path, st.st_mode, err);
}

/* Return the part of real below dir; NULL if it is not in dir. */
static const char *path_below(const char *dir, const char *real)
{
	size_t len = strlen(dir);

	if (len == 1)
		return real + 1;
	return strncmp(dir, real, len) == 0 && real[len] == '/' ? real + len + 1 : NULL;
}

/* Return true for a name that any system takes for ".git". */
static bool is_dotgit(const char *name, size_t len)
{
	size_t n = len >= 4 && strncasecmp(name, ".git", 4) == 0    ? 4
		   : len >= 5 && strncasecmp(name, "git~1", 5) == 0 ? 5
								    : 0;

	if (!n)
		return false;
	while (n < len && (name[n] == ' ' || name[n] == '.'))
		n++;
	return n == len || name[n] == ':';
}

static enum hf_status refuse_dotgit(const char *path, struct hf_err *err)
{
	return hf_fail(err, HF_DATA, "cannot commit '%s': it is in .git", path);
}

/* Check that the directory `prefix` of the worktree is a directory, and not a repository of its
 * own. */
static enum hf_status check_parent(struct hf_repo *repo, const char *path, const char *prefix,
				   struct hf_err *err)
{
	char name[PATH_MAX];
	struct stat st;

	if (snprintf(name, sizeof(name), "%s/%s/.git", repo->workdir, prefix) >= (int)sizeof(name))
		return too_long(path, err);
	if (lstat(name, &st) == 0)
		return hf_fail(err, HF_DATA, "cannot commit '%s': '%s' is another repository", path,
			       prefix);
	return HF_OK;
}

static enum hf_status check_parents(struct hf_repo *repo, const char *path, const char *tree_path,
				    struct hf_err *err)
{
	char prefix[PATH_MAX];
	const char *name = tree_path;
	enum hf_status status = HF_OK;

	strcpy(prefix, tree_path);
	while (status == HF_OK) {
		size_t len = strcspn(name, "/");

		if (is_dotgit(name, len))
			return refuse_dotgit(path, err);
		if (!name[len])
			break;
		prefix[name + len - tree_path] = '\0';
		status = check_parent(repo, path, prefix, err);
		prefix[name + len - tree_path] = '/';
		name += len + 1;
	}
	return status;
}

/* Neither Git nor libgit2 checks before it opens: a FIFO would block it indefinitely. */
static enum hf_status check_rules(const char *dir, int len, const char *name, struct hf_err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%.*s/%s", len, dir, name) >= (int)sizeof(path))
		return too_long(path, err);
	if (sys_fstatat(AT_FDCWD, path, &st, 0) < 0 || S_ISREG(st.st_mode))
		return HF_OK;
	return hf_fail(err, HF_DATA, "cannot read the rules in '%s': it is not a regular file",
		       path);
}

/* The repository's file `info`, and `file` from the worktree's top to the path's directory. */
static enum hf_status check_all_rules(struct hf_repo *repo, const char *info, const char *file,
				      const char *tree_path, struct hf_err *err)
{
	enum hf_status status;
	char path[PATH_MAX];
	size_t len = strlen(repo->workdir);

	if (snprintf(path, sizeof(path), "%s/%s", repo->workdir, tree_path) >= (int)sizeof(path))
		return too_long(tree_path, err);
	status = check_rules(repo->commondir, (int)strlen(repo->commondir), info, err);
	for (; path[len] == '/' && status == HF_OK; len += 1 + strcspn(path + len + 1, "/"))
		status = check_rules(path, (int)len, file, err);
	return status;
}

/* Refuse a path that has an entry of the index in its way, or is not checked out. */
static enum hf_status check_entry(struct hf_repo *repo, const char *path, const char *tree_path,
				  const struct hf_index_answer *found, struct hf_err *err)
{
	enum hf_sparse sparse;
	enum hf_status status;

	if (found->parent && found->parent_mode == SUBMODULE)
		return hf_fail(err, HF_DATA, "cannot commit '%s': '%.*s' is a submodule", path,
			       (int)found->parent, tree_path);
	if (found->parent)
		return hf_fail(err, HF_DATA, "cannot commit '%s': '%.*s' is a file in the index",
			       path, (int)found->parent, tree_path);
	if (found->mode == SUBMODULE)
		return hf_fail(err, HF_DATA, "cannot commit '%s': it is a submodule", path);
	if (found->below)
		return hf_fail(err, HF_DATA, "cannot commit '%s': it is a directory in the index",
			       path);
	status = hf_sparse_find(repo, tree_path, &sparse, err);
	if (status != HF_OK)
		return status;
	/* by patterns that are not understood here, a file that is checked out is part of it */
	if (!found->skipped && (sparse == HF_SPARSE_IN ||
				(sparse == HF_SPARSE_UNKNOWN && (found->mode || found->sibling))))
		return HF_OK;
	hf_fail(err, HF_DATA, "cannot commit '%s': it is not checked out", path);
	hf_advise(err, "git sparse-checkout add, or git update-index --no-skip-worktree");
	return HF_DATA;
}

static enum hf_status check_tree_path(struct hf_repo *repo, const char *path, const char *tree_path,
				      struct hf_err *err)
{
	enum hf_status status = check_parents(repo, path, tree_path, err);
	struct hf_index_answer found;

	if (status == HF_OK) /* its content is converted by them */
		status = check_all_rules(repo, "info/attributes", ".gitattributes", tree_path, err);
	if (status == HF_OK)
		status = hf_index_find(repo, "index", tree_path, &found, err);
	if (status == HF_OK)
		status = check_entry(repo, path, tree_path, &found, err);
	if (status != HF_OK || found.mode)
		return status;
	status = check_all_rules(repo, "info/exclude", ".gitignore", tree_path, err);
	if (status == HF_OK && hf_plain_ignores_nothing(repo, tree_path))
		return HF_OK;
	if (status == HF_OK)
		status = repo->ops->ignored(repo, tree_path, err);
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	hf_fail(err, HF_DATA, "cannot commit '%s': it is ignored", path);
	hf_advise(err, "'git check-ignore -v' shows the rule; 'git add -f' overrules it");
	return HF_DATA;
}

enum hf_status hf_repo_path(struct hf_repo *repo, const char *path, char **tree_path,
			    struct hf_err *err)
{
	char real[PATH_MAX], workdir[PATH_MAX];
	const char *inside;
	enum hf_status status = resolve_file(path, real, err);

	*tree_path = NULL;
	if (status != HF_OK)
		return status;
	if (!realpath(repo->workdir, workdir))
		return hf_fail_errno(err, "cannot read the state of '%s'", hf_repo_name(repo));
	if (path_below(repo->gitdir, real) || path_below(repo->commondir, real))
		return refuse_dotgit(path, err);
	inside = path_below(workdir, real);
	if (!inside)
		return hf_fail(err, HF_DATA, "cannot commit '%s': it is outside of '%s'", path,
			       repo->workdir);
	status = check_tree_path(repo, path, inside, err);
	if (status != HF_OK)
		return status;
	*tree_path = strdup(inside);
	return *tree_path ? HF_OK : hf_fail_errno(err, "cannot use '%s'", path);
}
