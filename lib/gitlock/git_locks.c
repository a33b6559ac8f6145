/* SPDX-License-Identifier: ISC */
#include "gitlock/git_locks.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/side_file.h"
#include "base/sys.h"
#include "gitlock/git_evidence.h"

#define OWN "holdfast"
#define QUARANTINE "quarantine"
#define SUFFIX ".lock"

enum { MAX_DEPTH = 64 };

int hf_git_own_dir(const struct hf_gitdir *git, enum hf_status *status, struct hf_err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int dir = sys_openat(AT_FDCWD, git->common, flags, 0), fd = -1;
	struct hf_target target = {.dir = dir, .path = git->common};
	char owner[HF_USER_SIZE];
	struct hf_trust trust;
	struct stat common, st;

	*status = HF_OK;
	if (dir < 0 || sys_fstat(dir, &common) < 0 || hf_shared_dir(dir, OWN, &common) != HF_OK ||
	    (fd = sys_openat(dir, OWN, flags | O_NOFOLLOW, 0)) < 0 || sys_fstat(fd, &st) < 0) {
		*status = hf_fail_errno(err, "cannot make '%s/" OWN "'", git->common);
	} else {
		hf_trust_init(&trust, &target, dir);
		if (!hf_trusts(&trust, &st) && !HF_WITHOUT(git_own_dir)) {
			*status = hf_fail(err, HF_NOPERM,
					  "cannot use '%s/" OWN
					  "', which belongs to %s: that user may not write there",
					  git->common, hf_user_name(owner, st.st_uid));
			hf_advise(err, "examine its content, and remove it");
		}
	}
	hf_close(dir);
	if (*status != HF_OK && fd >= 0) {
		sys_close(fd);
		fd = -1;
	}
	return fd;
}

static bool ends_in_suffix(const char *name)
{
	size_t size = strlen(name), n = strlen(SUFFIX);

	return size > n && strcmp(name + size - n, SUFFIX) == 0 &&
	       (size < n + 4 || strcmp(name + size - n - 4, "~pid" SUFFIX) != 0);
}

/* Return true if hf_gitdir_find() found no repository, or none that this user may read. */
static bool repository_is_absent(enum hf_status status)
{
	return status == HF_NOINPUT || status == HF_NOPERM;
}

enum hf_status hf_git_lock_is(const char *path, struct hf_gitdir *git, char absolute[PATH_MAX],
			      struct hf_err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int length = slash && slash != path ? (int)(slash - path) : 1;
	enum hf_status status;
	char dir[PATH_MAX];
	size_t size;

	if (!ends_in_suffix(name) || length >= (int)sizeof(dir))
		return HF_NO;
	snprintf(dir, sizeof(dir), "%.*s", length, slash ? path : ".");
	status = hf_gitdir_find(git, dir, err);
	if (status != HF_OK)
		return repository_is_absent(status) ? HF_NO : status;
	if (!realpath(dir, absolute))
		return hf_fail_errno(err, "cannot read the state of '%s'", dir);
	size = strlen(git->common);
	if (strncmp(absolute, git->common, size) != 0 || (absolute[size] && absolute[size] != '/'))
		return HF_NO;
	strcpy(dir, absolute);
	return hf_gitdir_join(absolute, dir, name) ? HF_OK : HF_NO;
}

static void judge_git_lock(const void *context, const struct hf_stale_query *of,
			   struct hf_evidence *e)
{
	hf_git_evidence_judge(of, context, e);
}

/* Open the directory of the lock, and find the worktree to which it belongs: the directory of a
 * linked worktree is a git directory of its own. */
static enum hf_status open_git_lock(const struct hf_gitdir *git, const char *path,
				    struct hf_target *target, struct hf_gitdir *worktree,
				    struct hf_git_stale_query *query, struct hf_err *err)
{
	enum hf_status status = hf_target_open(
		target, path, HF_TARGET_NO_FOLLOW | HF_TARGET_NO_SYNC | HF_TARGET_ANY_NAME, err);
	char dir[PATH_MAX];

	if (status != HF_OK)
		return status;
	query->git = git;
	query->dir = target->dir;
	query->name = target->name;
	query->path = path;
	query->index = strcmp(target->name, "index" SUFFIX) == 0 ||
		       strncmp(target->name, "next-index-", 11) == 0;
	if (!query->index)
		return HF_OK;
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	status = hf_gitdir_find(worktree, dir, err);
	if (status == HF_OK)
		query->git = worktree;
	else if (repository_is_absent(status))
		status = HF_OK;
	else
		hf_target_close(target);
	return status;
}

enum hf_status hf_git_lock_break(const struct hf_gitdir *git, const char *path,
				 const struct hf_git_seen *seen,
				 const struct hf_break_options *options,
				 struct hf_break_result *broken, struct hf_err *err)
{
	struct hf_git_stale_query query = {.seen = seen};
	struct hf_break_rules how = {.judge = judge_git_lock,
				     .context = &query,
				     .base = -1, /* a dry run creates no directory there */
				     .quarantine = QUARANTINE,
				     .shared = true,
				     .kind = "git"};
	struct hf_gitdir worktree;
	struct hf_target target;
	enum hf_status status = open_git_lock(git, path, &target, &worktree, &query, err);
	char moved[sizeof(broken->moved)];

	if (status != HF_OK)
		return status;
	if (!options->dry_run)
		how.base = hf_git_own_dir(git, &status, err);
	if (options->dry_run || how.base >= 0)
		status = hf_break_at(&target, &how, options, broken, err);
	hf_close(how.base);
	if (status == HF_OK && broken->moved[0]) {
		strcpy(moved, broken->moved);
		snprintf(broken->moved, sizeof(broken->moved), OWN "/%s", moved);
	}
	hf_target_close(&target);
	return status;
}

struct walk {
	const struct hf_gitdir *git;
	const struct hf_break_options *options;
	bool (*each)(void *context, const struct hf_git_lock *lock);
	void *context;
	enum hf_status status;
	struct hf_err *err;
	struct hf_git_lock lock;
};

/* Return true if this directory below the common directory must be scanned. */
static bool is_scanned(const char *below)
{
	static const char *const not [] = {"modules", OWN, "hooks", "lfs", "annex"};

	for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++)
		if (strcmp(below, not [i]) == 0)
			return false;
	/* objects/ab */
	return strncmp(below, "objects/", 8) != 0 || strlen(below) != 10 ||
	       !isxdigit((unsigned char)below[8]) || !isxdigit((unsigned char)below[9]);
}

/* Remember the first entry that could not be read. An entry that has gone since is no error. */
static void note_unread(struct walk *w, const struct hf_err *err)
{
	if (w->status != HF_OK || err->errnum == ENOENT || err->errnum == ENOTDIR)
		return;
	w->status = err->status;
	if (w->err)
		*w->err = *err;
}

static bool join_below_common(const struct walk *w, char *out, const char *below,
			      struct hf_err *err)
{
	if (hf_gitdir_join(out, w->git->common, below))
		return true;
	errno = ENAMETOOLONG;
	hf_fail_errno(err, "cannot read '%s/%s'", w->git->common, below);
	return false;
}

/* Judge one lock. Return false if each() returned false. */
static bool report_lock(struct walk *w, const char *below)
{
	struct hf_break_options options = *w->options;
	struct hf_break_result broken;
	struct hf_err err;

	options.dry_run = true;
	snprintf(w->lock.what, PATH_MAX, "%.*s", (int)(strlen(below) - strlen(SUFFIX)), below);
	if (!join_below_common(w, w->lock.path, below, &err) ||
	    hf_git_lock_break(w->git, w->lock.path, NULL, &options, &broken, &err) != HF_OK) {
		note_unread(w, &err);
		return true;
	}
	w->lock.evidence = broken.evidence;
	return broken.evidence.verdict == HF_VERDICT_FREE || w->each(w->context, &w->lock);
}

/* Scan one directory. Return false if each() returned false. */
static bool scan_locks(struct walk *w, const char *below, int depth)
{
	char path[PATH_MAX], next[PATH_MAX];
	struct dirent *entry;
	bool go_on = true;
	struct hf_err err;
	struct stat st;
	DIR *dir;

	if (!join_below_common(w, path, below, &err)) {
		note_unread(w, &err);
		return true;
	}
	dir = opendir(path);
	if (!dir) {
		hf_fail_errno(&err, "cannot read '%s/%s'", w->git->common, below);
		note_unread(w, &err);
		return true;
	}
	while (go_on && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (below[0] ? !hf_gitdir_join(next, below, name)
			     : snprintf(next, sizeof(next), "%s", name) >= (int)sizeof(next))
			continue;
		if (ends_in_suffix(name))
			go_on = report_lock(w, next);
		else if (depth < MAX_DEPTH && is_scanned(next) &&
			 fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			 S_ISDIR(st.st_mode))
			go_on = scan_locks(w, next, depth + 1);
	}
	closedir(dir);
	return go_on;
}

enum hf_status hf_git_locks_each(const struct hf_gitdir *git,
				 const struct hf_break_options *options,
				 bool (*each)(void *context, const struct hf_git_lock *lock),
				 void *context, struct hf_err *err)
{
	struct walk *w = malloc(sizeof(*w));
	enum hf_status status;

	if (!w)
		return hf_fail_errno(err, "cannot list the locks of '%s'", git->common);
	*w = (struct walk){.git = git,
			   .options = options,
			   .each = each,
			   .context = context,
			   .status = HF_OK,
			   .err = err};
	scan_locks(w, "", 0);
	status = w->status;
	free(w);
	return status;
}
