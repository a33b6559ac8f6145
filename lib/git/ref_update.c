/* SPDX-License-Identifier: ISC */
#include "git/ref_update.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic/publish.h"
#include "base/access.h"
#include "base/side_file.h"
#include "base/sys.h"
#include "git/commit_ident.h"
#include "git/index_lock.h"
#include "git/ref_read.h"
#include <holdfast/clock.h>

/* The longest time for which Git's locks are held, and for which Git waits for them. */
#define MAX_HELD (50 * HF_MS)
#define GIT_WAITS (100 * HF_MS)

static enum hf_status fail_move(const char *ref, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot move '%s'", ref);
}

static enum hf_status write_ref_text(int fd, const char *text, const char *ref, struct hf_err *err)
{
	size_t size = strlen(text);
	ssize_t n = sys_write(fd, text, size);

	if (n == (ssize_t)size)
		return HF_OK;
	if (n >= 0)
		errno = ENOSPC;
	return fail_move(ref, err);
}

/* Append "OLD NEW NAME <EMAIL> TIME ZONE\tMESSAGE" in one write, since other processes append
 * too. */
static enum hf_status append_log(int dir, const char *ref, const char *line, struct hf_err *err)
{
	const int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char path[PATH_MAX];
	enum hf_status status;
	int fd;

	hf_ref_log_name(ref, path);
	fd = sys_openat(dir, path, flags, 0);
	if (fd < 0)
		return errno == ENOENT ? HF_OK : fail_move(ref, err);
	status = write_ref_text(fd, line, ref, err);
	sys_close(fd);
	return status;
}

static enum hf_status write_logs(struct hf_repo *repo, const char *ref, const char *was,
				 const char *commit, const char *reflog,
				 const struct hf_commit_ident *who, struct hf_err *err)
{
	char *ident = hf_commit_ident_format(who), *line;
	enum hf_status status;
	int length = ident ? asprintf(&line, "%s %s %s\t%s\n", was, commit, ident, reflog) : -1;

	free(ident);
	if (length < 0)
		return fail_move(ref, err);
	/* the line must be one line, whatever the message is */
	for (char *at = strchr(line, '\t') + 1; at[1]; at++)
		if (*at == '\n')
			*at = ' ';
	status = append_log(hf_ref_base(repo, ref), ref, line, err);
	if (status == HF_OK && hf_ref_is_checked_out(repo, ref))
		status = append_log(repo->git, "HEAD", line, err);
	free(line);
	return status;
}

/* The directory of a ref's file, and its name there. */
struct place {
	int dir;
	const char *name;
	char fresh[NAME_MAX + 1];
	struct hf_target lock;
	char lock_path[PATH_MAX];
};

static enum hf_status open_ref_dir(struct hf_repo *repo, const char *ref, struct place *p,
				   struct hf_err *err)
{
	const char *slash = strrchr(ref, '/');
	char dir[PATH_MAX] = ".";

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - ref), ref);
	p->dir = sys_openat(hf_ref_base(repo, ref), dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (p->dir < 0)
		return fail_move(ref, err);
	p->name = slash ? slash + 1 : ref;
	snprintf(p->fresh, sizeof(p->fresh), "%.230s" HF_REF_NEW, p->name);
	snprintf(p->lock_path, sizeof(p->lock_path), "%.4000s.lock", ref);
	p->lock = (struct hf_target){.dir = p->dir, .path = p->lock_path};
	snprintf(p->lock.name, sizeof(p->lock.name), "%.230s.lock", p->name);
	return HF_OK;
}

/* Create the file of the new value beside the ref. Another name is taken where another user, or a
 * directory, has the usual one. */
static int create_new_value(struct place *p)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	sys_unlinkat(p->dir, p->fresh, 0);
	fd = sys_openat(p->dir, p->fresh, flags, 0666);
	if (fd >= 0 || errno != EEXIST)
		return fd;
	snprintf(p->fresh, sizeof(p->fresh), "%.220s%08x" HF_REF_NEW, p->name, hf_side_number());
	return sys_openat(p->dir, p->fresh, flags, 0666);
}

/* Write the new value to a file beside the ref, and sync it. */
static enum hf_status write_new_value(struct hf_repo *repo, struct place *p, const char *ref,
				      const char *commit, mode_t mode, struct hf_err *err)
{
	char value[HF_OID_SIZE + 1];
	enum hf_status status;
	int fd = create_new_value(p);

	if (fd < 0)
		return fail_move(ref, err);
	snprintf(value, sizeof(value), "%s\n", commit);
	status = write_ref_text(fd, value, ref, err);
	if (status == HF_OK && sys_fchmod(fd, mode & 0777) < 0)
		status = fail_move(ref, err);
	/* together with everything to which the ref will lead */
	if (status == HF_OK)
		status = hf_sync_batch_add(&repo->names, fd, ref, err);
	if (status == HF_OK)
		status = hf_sync_batch_run(&repo->names, err);
	if (sys_close(fd) < 0 && status == HF_OK)
		status = fail_move(ref, err);
	return status;
}

/* Move the ref, which is locked, before `end`. */
static enum hf_status move_locked(struct hf_repo *repo, const struct place *p, const char *ref,
				  const char *was, const char *commit, const char *reflog,
				  const struct hf_commit_ident *who, int64_t end,
				  struct hf_err *err)
{
	enum hf_status status;
	char now[PATH_MAX];
	struct stat st;

	hf_ref_read(p->dir, p->name, now);
	if (strncmp(now, "ref: ", 5) == 0)
		return hf_ref_is_symbolic(ref, now + 5, err);
	if (strcmp(now, was) != 0 || !hf_ref_is_file(p->dir, p->name, &st))
		return hf_fail(err, HF_NO, "'%s' has moved in the meantime", ref);
	if (hf_time_left(end) == 0)
		return hf_fail(err, HF_BUSY, "cannot move '%s': this machine is too slow", ref);
	status = write_logs(repo, ref, was, commit, reflog, who, err);
	if (status == HF_OK && sys_renameat2(p->dir, p->fresh, p->dir, p->name, 0) < 0)
		status = fail_move(ref, err);
	return status;
}

/* Lock HEAD.lock in addition to REF.lock. -1: continue without it. */
static int lock_head(struct hf_repo *repo, const char *ref)
{
	struct hf_target target = {.dir = repo->git, .name = "HEAD.lock", .path = "HEAD.lock"};
	struct hf_backoff backoff;
	int fd;

	if (strcmp(ref, "HEAD") == 0 || HF_WITHOUT(head_lock) ||
	    hf_backoff_init(&backoff, NULL, hf_deadline_in(GIT_WAITS), NULL) != HF_OK)
		return -1;
	while (hf_ref_lock(repo, &target, "HEAD", &fd, NULL) != HF_OK)
		if (!hf_backoff_sleep(&backoff))
			return -1;
	return fd;
}

static enum hf_status lock_and_move(struct hf_repo *repo, const struct place *p, const char *ref,
				    const char *was, const char *commit, const char *reflog,
				    const struct hf_commit_ident *who, struct hf_err *err)
{
	struct hf_target head_lock = {.dir = repo->git, .name = "HEAD.lock", .path = "HEAD.lock"};
	int lock, head = lock_head(repo, ref);
	int64_t end = hf_deadline_in(MAX_HELD);
	enum hf_status status = hf_ref_lock(repo, &p->lock, ref, &lock, err);

	if (status == HF_OK) {
		status = move_locked(repo, p, ref, was, commit, reflog, who, end, err);
		hf_ref_unlock(&p->lock, lock);
	}
	if (head >= 0)
		hf_ref_unlock(&head_lock, head);
	return status;
}

/* Sync the directory `path`. Return -1 with errno on failure. */
static int sync_dir(int base, const char *path)
{
	int fd = sys_openat(base, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), r, saved;

	if (fd < 0)
		return -1;
	r = hf_publish_fsync(fd);
	saved = errno;
	sys_close(fd);
	errno = saved;
	return r;
}

static enum hf_status fail_uncertain(const char *ref, struct hf_err *err)
{
	return hf_fail_errno_as(err, HF_UNCERTAIN, "'%s' was moved, but cannot be synced", ref);
}

enum hf_status hf_ref_move(struct hf_repo *repo, const char *ref, const char *was,
			   const char *commit, const char *reflog,
			   const struct hf_commit_ident *who, struct hf_err *err)
{
	struct place p;
	struct stat st;
	enum hf_status status = open_ref_dir(repo, ref, &p, err);

	if (status != HF_OK)
		return status;
	if (hf_ref_is_file(p.dir, p.name, &st))
		status = write_new_value(repo, &p, ref, commit, st.st_mode, err);
	else
		status = hf_fail(err, HF_NO, "'%s' has moved in the meantime", ref);
	if (status == HF_OK)
		status = lock_and_move(repo, &p, ref, was, commit, reflog, who, err);
	if (status != HF_OK)
		sys_unlinkat(p.dir, p.fresh, 0);
	if (status == HF_OK && hf_publish_fsync(p.dir) < 0)
		status = fail_uncertain(ref, err);
	sys_close(p.dir);
	return status;
}

bool hf_ref_has_dir(struct hf_repo *repo, const char *ref)
{
	const char *slash = strrchr(ref, '/');
	char *dir = slash ? strndup(ref, (size_t)(slash - ref)) : NULL;
	struct stat st;
	bool has = !slash || (dir && sys_fstatat(repo->common, dir, &st, 0) == 0);

	free(dir);
	return has;
}

enum hf_status hf_ref_sync(struct hf_repo *repo, const char *ref, struct hf_err *err)
{
	char *path = strdup(ref), *slash;
	bool synced = path;

	while (synced && (slash = strrchr(path, '/'))) {
		*slash = '\0';
		/* a repository without ref files (reftable) has no such directories */
		synced = sync_dir(repo->common, path) == 0 || errno == ENOENT || errno == ENOTDIR;
	}
	free(path);
	return synced && hf_publish_fsync(repo->common) == 0 ? HF_OK : fail_uncertain(ref, err);
}

/* ---- may it be moved? ----------------------------------------------------------------------- */

static bool is_fixed(int base, const char *path)
{
	bool fixed = !HF_WITHOUT(fixed) && hf_access_is_fixed(base, path);

	if (fixed)
		errno = EPERM;
	return fixed;
}

/* Check a file to which lines are appended (chattr +a does not matter), or a directory. */
static enum hf_status check_writable(const struct hf_repo *repo, int base, const char *path,
				     const char *ref, struct hf_err *err)
{
	if (faccessat(base, path, W_OK, AT_EACCESS) == 0)
		return HF_OK;
	return hf_fail_errno(err, "cannot move '%s': '%s/%s' cannot be written to", ref,
			     base == repo->git ? repo->gitdir : repo->commondir, path);
}

/* Check that a file can be made here: in its directory, or where the first missing one would be
 * made. */
static enum hf_status check_can_create(const struct hf_repo *repo, int base, const char *path,
				       const char *ref, struct hf_err *err)
{
	char dir[PATH_MAX], *slash;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", path);
	while ((slash = strrchr(dir, '/'))) {
		*slash = '\0';
		/* if it cannot be examined, access(2) reports the reason below */
		if (sys_fstatat(base, dir, &st, 0) == 0 || errno != ENOENT)
			break;
	}
	if (is_fixed(base, slash ? dir : "."))
		return fail_move(ref, err);
	return check_writable(repo, base, slash ? dir : ".", ref, err);
}

static enum hf_status check_log(const struct hf_repo *repo, int base, const char *ref,
				struct hf_err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (!hf_ref_log_name(ref, path))
		return HF_OK;
	return hf_ref_is_file(base, path, &st) ? check_writable(repo, base, path, ref, err)
					       : check_can_create(repo, base, path, ref, err);
}

enum hf_status hf_repo_may_move(struct hf_repo *repo, const char *ref, struct hf_err *err)
{
	int base = hf_ref_base(repo, ref);
	enum hf_status status = check_can_create(repo, base, ref, ref, err);

	if (status == HF_OK && is_fixed(base, ref))
		status = fail_move(ref, err);
	if (status == HF_OK)
		status = check_log(repo, base, ref, err);
	if (status == HF_OK && base != repo->git && hf_ref_is_checked_out(repo, ref))
		status = check_log(repo, repo->git, "HEAD", err);
	return status;
}
