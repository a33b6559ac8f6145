/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_git.h>

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "gitlock/git_holders.h"
#include "gitlock/git_locks.h"
#include "lock/dotlock_file.h"
#include "lock/turnstile.h"
#include "wait/file_watch.h"
#include "wait/wait_notice.h"
#include <holdfast/fd.h>
#include <holdfast/proc.h>

enum { MIN_JUDGE_MS = 50, MAX_JUDGE_MS = 500 };

struct git {
	struct hf_target turnstile; /* first: lock/turnstile.h */
	struct hf_target index;	    /* index.lock; path is lock_path */
	char lock_path[PATH_MAX + 8];
	struct hf_gitdir at;
	struct hf_dot_new new; /* freeze */
	bool borrowed;	       /* freeze: an ancestor's keeper holds index.lock */

	/* The index.lock that blocks, and since when it is known (lock/X3); survives release.
	 * ticks 0: none yet. */
	struct hf_git_seen seen;
};

static void close_repository(struct git *g)
{
	hf_target_close(&g->turnstile);
	hf_target_close(&g->index);
}

/* Find the repository, without its turnstile. On failure nothing is open. */
static enum hf_status find_repository(struct hf_lock *lock, struct hf_err *err)
{
	struct git *g = lock->kind_data;
	enum hf_status status;

	g->turnstile.dir = g->index.dir = g->new.fd = -1;
	g->borrowed = false;
	if (!g->seen.ticks)
		g->seen.fd = -1;
	status = hf_gitdir_find(&g->at, lock->path, err);
	if (status != HF_OK)
		return status;
	snprintf(g->lock_path, sizeof(g->lock_path), "%s/index.lock", g->at.git);
	g->index.path = g->lock_path;
	strcpy(g->index.name, "index.lock");
	g->index.dir = sys_openat(AT_FDCWD, g->at.git, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	return g->index.dir < 0 ? hf_fail_errno(err, "cannot open '%s'", g->at.git) : HF_OK;
}

/* Every user who may write to the common directory may use the turnstile. */
static enum hf_status open_turnstile(struct hf_lock *lock, struct hf_err *err)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	struct git *g = lock->kind_data;
	enum hf_status status;
	struct hf_err own;
	int common;

	g->turnstile.path = lock->path;
	strcpy(g->turnstile.name, "turnstile");
	g->turnstile.dir = hf_git_own_dir(&g->at, &status, err);
	if (g->turnstile.dir < 0)
		return status;
	common = sys_openat(AT_FDCWD, g->at.common, flags, 0);
	if (common < 0)
		return hf_fail_errno(err, "cannot open '%s'", g->at.common);
	status = hf_turnstile_open(lock, &g->turnstile, common, &own);
	sys_close(common);
	if (status != HF_OK && err)
		*err = own;
	return status == HF_NO ? own.status : status;
}

static enum hf_status open_git(struct hf_lock *lock, struct hf_err *err)
{
	struct git *g = lock->kind_data;
	enum hf_status status = find_repository(lock, err);

	if (status != HF_OK)
		return status;
	status = open_turnstile(lock, err);
	if (status != HF_OK)
		close_repository(g);
	/* lock/X5 */
	lock->start = hf_lock_identity(g->at.git);
	lock->length = 1;
	return status;
}

static enum hf_status fail_index_busy(const char *path, const struct hf_evidence *e,
				      struct hf_err *err)
{
	hf_fail(err, HF_BUSY, "cannot lock '%s': index.lock is %s: %s", path,
		hf_verdict_name(e->verdict), hf_evidence_why(e));
	if (e->verdict == HF_VERDICT_HELD)
		hf_advise(err, "wait longer with -w");
	else
		hf_advise(err, "lock-break --git shows the evidence, and can move it aside");
	return HF_BUSY;
}

/* Refuse to wait for an ancestor (lock/X4). */
static enum hf_status refuse_ancestor(const char *path, pid_t pid, struct hf_err *err)
{
	char who[512];

	hf_fail(err, HF_USAGE,
		"cannot lock '%s': index.lock is held by this command's own ancestor, %s", path,
		hf_proc_describe(who, sizeof(who), pid));
	hf_advise(err, "a hook that runs under index.lock needs no lock: lock the repository "
		       "around the git that runs the hook");
	return HF_USAGE;
}

static void forget_seen(struct git *g)
{
	if (g->seen.ticks && g->seen.fd >= 0)
		sys_close(g->seen.fd);
	g->seen.fd = -1;
}

/* Remember since when this very index.lock is known (lock/X3). Return false if there is none. */
static bool remember_seen(struct git *g)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	bool is_there;
	int fd;

	if (g->seen.fd >= 0 && hf_names_inode(g->index.dir, g->index.name, g->seen.fd))
		return true;
	fd = sys_openat(g->index.dir, g->index.name, flags, 0);
	is_there = fd >= 0 || errno != ENOENT;
	forget_seen(g);
	g->seen = (struct hf_git_seen){.fd = fd, .ticks = hf_git_ticks()};
	return is_there;
}

/* An index.lock that no Git makes does not go away. */
static enum hf_status check_kind(const struct hf_lock *lock, const struct git *g,
				 struct hf_err *err)
{
	struct stat st;

	if (sys_fstatat(g->index.dir, g->index.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISREG(st.st_mode))
		return HF_OK;
	hf_fail(err, HF_DATA, "cannot lock '%s': '%s' is not a regular file", lock->path,
		g->lock_path);
	hf_advise(
		err,
		"no Git has made it, and every Git fails because of it: inspect it, and remove it");
	return HF_DATA;
}

/* Return HF_OK if index.lock is absent, or stale; move a stale one aside, unless `dry`. *e is the
 * evidence on the present one. */
static enum hf_status clear_index_lock(struct hf_lock *lock, bool dry, struct hf_evidence *e,
				       struct hf_err *err)
{
	struct git *g = lock->kind_data;
	struct hf_break_options options = {.stale_after = HF_NEVER, .dry_run = dry};
	struct hf_break_result broken;
	enum hf_status status = check_kind(lock, g, err);

	if (status != HF_OK)
		return status;
	if (!remember_seen(g))
		return HF_OK;
	status = hf_git_lock_break(&g->at, g->lock_path, &g->seen, &options, &broken, err);
	if (status != HF_OK)
		return status;
	*e = broken.evidence;
	if (e->verdict == HF_VERDICT_FREE || broken.moved[0])
		forget_seen(g);
	if (e->verdict == HF_VERDICT_FREE || e->verdict == HF_VERDICT_STALE)
		return HF_OK;
	if (e->verdict == HF_VERDICT_HELD && hf_proc_is_ancestor(e->pid))
		return refuse_ancestor(lock->path, e->pid, err);
	return fail_index_busy(lock->path, e, err);
}

static enum hf_status try_git(struct hf_lock *lock, struct hf_err *err)
{
	struct hf_evidence e;

	/* an ancestor that holds it has tried */
	return lock->inherited >= 0 ? HF_OK : clear_index_lock(lock, false, &e, err);
}

static bool is_locked_index(void *context, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && hf_same_inode(&st, context) &&
	       hf_fd_held(fd) == HF_HELD_EXCLUSIVE;
}

/* Return true if an ancestor has frozen the index and this process inherited index.lock, or if an
 * ancestor's keeper lends it; external_fd is then the keeper's descriptor. */
static bool is_frozen_for_us(struct hf_lock *lock, struct git *g)
{
	struct stat st;
	int fd;

	if (sys_fstatat(g->index.dir, g->index.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (hf_fd_inherited(&st, &fd) == HF_HELD_EXCLUSIVE)
		return true;
	lock->external_fd = hf_lock_borrow_fd(&st, is_locked_index, &st);
	g->borrowed = lock->external_fd >= 0;
	return g->borrowed;
}

static enum hf_status try_index_freeze(struct hf_lock *lock, struct hf_err *err)
{
	struct git *g = lock->kind_data;
	struct hf_evidence e;
	enum hf_status status = HF_NO;

	if (is_frozen_for_us(lock, g))
		return HF_OK;
	/* HF_NO: a Git was faster */
	while (status == HF_NO) {
		status = clear_index_lock(lock, false, &e, err);
		if (status == HF_OK)
			status = hf_dot_link(&g->index, &g->new, &lock->external_fd, err);
	}
	return status;
}

/* Wait for the end of index.lock (lock/X3). */
static enum hf_status wait_for_index(struct hf_lock *lock, const struct hf_wait *wait,
				     struct hf_err *err)
{
	const struct git *g = lock->kind_data;
	int64_t start = hf_now(), judge = 0;
	struct hf_wait_notice notice = hf_wait_notice_begin(wait);
	struct hf_evidence e = {0};
	struct hf_file_watch watch;
	struct stat st;
	enum hf_status status = hf_file_watch_begin_often(&watch, wait->deadline, err);

	if (status != HF_OK)
		return status;
	while (sys_fstatat(g->index.dir, g->index.name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT) {
		if (hf_now() >= judge || (e.pid && watch.process < 0)) {
			int64_t pause = (hf_now() - start) / 4;

			status = clear_index_lock(lock, true, &e, err);
			if (status != HF_BUSY)
				break;
			pause = pause < MIN_JUDGE_MS * HF_MS ? MIN_JUDGE_MS * HF_MS : pause;
			pause = pause > MAX_JUDGE_MS * HF_MS ? MAX_JUDGE_MS * HF_MS : pause;
			judge = hf_now() + pause;
			hf_file_watch_process(&watch, e.pid);
		}
		status = HF_OK;
		if (hf_wait_notice_is_due(&notice))
			hf_wait_notice_say(wait, "waiting for '%s': index.lock is %s: %s",
					   lock->path, hf_verdict_name(e.verdict),
					   hf_evidence_why(&e));
		if (!hf_file_watch_sleep(&watch)) {
			status = fail_index_busy(lock->path, &e, err);
			break;
		}
	}
	hf_file_watch_end(&watch);
	return status;
}

static enum hf_status wait_git(struct hf_lock *lock, const struct hf_wait *wait, struct hf_err *err)
{
	enum hf_status status = find_repository(lock, err);

	if (status == HF_OK)
		status = wait_for_index(lock, wait, err);
	close_repository(lock->kind_data);
	return status;
}

static void release_git(struct hf_lock *lock)
{
	struct git *g = lock->kind_data;
	int saved = errno;

	if (lock->external_fd >= 0 && lock->lent) {
		hf_dot_give_back(&g->index, lock->external_fd);
	} else if (lock->external_fd >= 0) {
		if (!g->borrowed)
			hf_dot_remove(&g->index, lock->external_fd);
		sys_close(lock->external_fd);
	}
	hf_dot_discard(&g->index, &g->new);
	hf_turnstile_release(lock);
	close_repository(g);
	errno = saved;
}

static void free_git(struct hf_lock *lock)
{
	forget_seen(lock->kind_data);
}

static const char family[] = "git";

const struct hf_lock_ops hf_lock_git = {
	.name = "git",
	.rank = 4,
	.inherits = true,
	.family = family,
	.strictness = 1,
	.data_size = sizeof(struct git),
	.open = open_git,
	.take = hf_turnstile_take,
	.try = try_git,
	.wait = wait_git,
	.release = release_git,
	.free = free_git,
};

const struct hf_lock_ops hf_lock_git_turn = {
	.name = "git",
	.rank = 4,
	.inherits = true,
	.family = family,
	.strictness = 0,
	.data_size = sizeof(struct git),
	.open = open_git,
	.take = hf_turnstile_take,
	.release = release_git,
	.free = free_git,
};

const struct hf_lock_ops hf_lock_git_freeze = {
	.name = "frozen git",
	.rank = 4,
	.inherits = true,
	.exclusive = true,
	.family = family,
	.strictness = 2,
	.data_size = sizeof(struct git),
	.open = open_git,
	.take = hf_turnstile_take,
	.try = try_index_freeze,
	.wait = wait_git,
	.release = release_git,
	.free = free_git,
};
