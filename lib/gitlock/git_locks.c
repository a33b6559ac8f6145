/* SPDX-License-Identifier: ISC */
#include "gitlock/git_locks.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gitlock/git_evidence.h"
#include "base/side_file.h"
#include "base/sys.h"

#define OWN "holdfast"
#define QUARANTINE "quarantine"
#define SUFFIX ".lock"

enum { MAX_DEPTH = 64 };

int hf_git_own_dir(const struct hf_gitdir *git, struct stat *common, enum hf_status *status,
		   struct hf_err *err)
{
	int dir = sys_openat(AT_FDCWD, git->common, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	struct hf_target target = {.dir = dir, .path = git->common};
	char owner[HF_USER_SIZE];
	struct hf_trust trust;
	struct stat st;
	int fd = -1;

	if (dir < 0 || sys_fstat(dir, common) < 0)
		goto failed;
	if (hf_shared_dir(dir, OWN, common) != HF_OK)
		goto failed;
	fd = sys_openat(dir, OWN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0 || sys_fstat(fd, &st) < 0)
		goto failed;
	hf_trust_init(&trust, &target, dir);
	if (hf_trusts(&trust, &st) || HF_WITHOUT(git_own_dir)) {
		sys_close(dir);
		return fd;
	}
	*status = hf_fail(err, HF_NOPERM, "cannot use '%s/" OWN "', which belongs to %s: that user "
					  "may not write there",
			  git->common, hf_user_name(owner, st.st_uid));
	hf_advise(err, "see what is in it, and remove it");
	sys_close(fd);
	sys_close(dir);
	return -1;
failed:
	*status = hf_fail_errno(err, "cannot make '%s/" OWN "'", git->common);
	if (fd >= 0)
		sys_close(fd);
	if (dir >= 0)
		sys_close(dir);
	return -1;
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
		return hf_fail_errno(err, "cannot look at '%s'", dir);
	size = strlen(git->common);
	if (strncmp(absolute, git->common, size) != 0 || (absolute[size] && absolute[size] != '/'))
		return HF_NO;
	strcpy(dir, absolute);
	return hf_gitdir_join(absolute, dir, name) ? HF_OK : HF_NO;
}

struct judged {
	const struct hf_gitdir *git;
	const struct hf_target *target;
	bool index;
	const struct hf_git_seen *seen;
};

static void judge_git_lock(const void *context, const struct hf_stale_query *of,
			   struct hf_evidence *e)
{
	const struct judged *j = context;
	struct hf_git_stale_query git = {.git = j->git,
					 .dir = j->target->dir,
					 .name = j->target->name,
					 .path = j->target->path,
					 .index = j->index,
					 .seen = j->seen};

	hf_git_evidence_judge(of, &git, e);
}

/* Open the directory of the lock, and find the worktree to which it belongs. The caller frees
 * *theirs: the directory of a linked worktree is a git directory of its own. */
static enum hf_status open_git_lock(const struct hf_gitdir *git, const char *path,
				    struct hf_target *target, struct hf_gitdir **theirs,
				    bool *index, struct hf_err *err)
{
	enum hf_status status = hf_target_open(
		target, path, HF_TARGET_NO_FOLLOW | HF_TARGET_NO_SYNC | HF_TARGET_ANY_NAME, err);
	char dir[PATH_MAX];

	if (status != HF_OK)
		return status;
	*index = strcmp(target->name, "index" SUFFIX) == 0 ||
		 strncmp(target->name, "next-index-", 11) == 0;
	*theirs = malloc(sizeof(**theirs));
	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	if (!*theirs) {
		status = hf_fail(err, HF_OS, "cannot judge '%s': out of memory", path);
	} else {
		status = *index ? hf_gitdir_find(*theirs, dir, err) : HF_NOINPUT;
		if (repository_is_absent(status)) {
			**theirs = *git;
			status = HF_OK;
		}
	}
	if (status != HF_OK) {
		free(*theirs);
		hf_target_close(target);
	}
	return status;
}

enum hf_status hf_git_lock_break(const struct hf_gitdir *git, const char *path,
				 const struct hf_git_seen *seen,
				 const struct hf_break_options *options,
				 struct hf_break_result *broken, struct hf_err *err)
{
	struct judged judged = {.seen = seen};
	struct hf_break_rules how = {.judge = judge_git_lock,
				     .context = &judged,
				     .quarantine = QUARANTINE,
				     .shared = true,
				     .kind = "git"};
	struct hf_gitdir *theirs;
	struct hf_target target;
	struct stat common;
	enum hf_status status = open_git_lock(git, path, &target, &theirs, &judged.index, err);
	char moved[sizeof(broken->moved)];

	if (status != HF_OK)
		return status;
	judged.git = theirs;
	judged.target = &target;
	if (options->dry_run) {
		/* a dry run creates no directory in the repository */
		how.base = -1;
		status = hf_break_at(&target, &how, options, broken, err);
	} else {
		how.base = hf_git_own_dir(git, &common, &status, err);
	}
	if (how.base >= 0) {
		status = hf_break_at(&target, &how, options, broken, err);
		sys_close(how.base);
	}
	if (status == HF_OK && broken->moved[0]) {
		strcpy(moved, broken->moved);
		snprintf(broken->moved, sizeof(broken->moved), OWN "/%s", moved);
	}
	free(theirs);
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

/* Return true if this directory below the common directory is to be scanned. */
static bool is_scanned(const char *below)
{
	static const char *const not[] = {"modules", OWN, "hooks", "lfs", "annex"};

	for (size_t i = 0; i < sizeof(not) / sizeof(not[0]); i++)
		if (strcmp(below, not[i]) == 0)
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
	struct hf_break_result broken;
	struct hf_err err;
	struct hf_break_options options = *w->options;
	struct judged judged = {0};
	struct hf_break_rules how = {.judge = judge_git_lock, .context = &judged, .base = -1};
	struct hf_gitdir *theirs;
	struct hf_target target;
	bool go_on = true;

	options.dry_run = true;
	snprintf(w->lock.what, PATH_MAX, "%.*s", (int)(strlen(below) - strlen(SUFFIX)), below);
	if (!join_below_common(w, w->lock.path, below, &err) ||
	    open_git_lock(w->git, w->lock.path, &target, &theirs, &judged.index, &err) != HF_OK) {
		note_unread(w, &err);
		return true;
	}
	judged.git = theirs;
	judged.target = &target;
	if (hf_break_at(&target, &how, &options, &broken, &err) != HF_OK) {
		note_unread(w, &err);
	} else if (broken.end != HF_BREAK_ABSENT) {
		w->lock.evidence = broken.evidence;
		go_on = w->each(w->context, &w->lock);
	}
	free(theirs);
	hf_target_close(&target);
	return go_on;
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
		return hf_fail_errno(err, "cannot look through '%s'", git->common);
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
