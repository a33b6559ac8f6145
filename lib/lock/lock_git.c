/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_git.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wait/file_watch.h"
#include "lock/dotlock_file.h"
#include <holdfast/fd.h>
#include "gitlock/git_locks.h"
#include "gitlock/git_holders.h"
#include "keeper/keeper_client.h"
#include "wait/wait_notice.h"
#include <holdfast/proc.h>
#include "base/sys.h"
#include "lock/turnstile.h"

enum { MIN_JUDGE_MS = 50, MAX_JUDGE_MS = 500 };

struct git {
	struct hf_gitdir at;
	char lock_path[PATH_MAX + 8]; /* of index.lock */
	struct hf_target turnstile, index; /* index: index.lock */
	struct hf_dot_new new;		   /* freeze */
	bool borrowed;			   /* freeze: an ancestor's keeper holds index.lock */
};

static void close_git(struct git *g)
{
	if (g->turnstile.dir >= 0)
		sys_close(g->turnstile.dir);
	if (g->index.dir >= 0)
		sys_close(g->index.dir);
	free(g);
}

/* Find the repository, without its turnstile. Return NULL with *status and err set. */
static struct git *find_repository(const char *path, enum hf_status *status, struct hf_err *err)
{
	struct git *g = calloc(1, sizeof(*g));

	*status = HF_OS;
	if (!g) {
		hf_fail_errno(err, "cannot lock '%s'", path);
		return NULL;
	}
	g->turnstile.dir = g->index.dir = g->new.fd = -1;
	*status = hf_gitdir_find(&g->at, path, err);
	if (*status == HF_OK) {
		snprintf(g->lock_path, sizeof(g->lock_path), "%s/index.lock", g->at.git);
		g->index.path = g->lock_path;
		strcpy(g->index.name, "index.lock");
		g->index.dir = sys_openat(AT_FDCWD, g->at.git,
					  O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (g->index.dir < 0)
			*status = hf_fail_errno(err, "cannot open '%s'", g->at.git);
	}
	if (*status == HF_OK)
		return g;
	close_git(g);
	return NULL;
}

/* Every user who may write to the common directory may use the turnstile. */
static enum hf_status open_turnstile(struct hf_lock *lock, const struct git *g, struct hf_err *err)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	int common = sys_openat(AT_FDCWD, g->at.common, flags, 0);
	enum hf_status status;
	struct hf_err own;

	if (common < 0)
		return hf_fail_errno(err, "cannot open '%s'", g->at.common);
	status = hf_turnstile_open(lock, &g->turnstile, common, &own);
	sys_close(common);
	if (status == HF_NO)
		status = own.status;
	if (status != HF_OK && err)
		*err = own;
	return status;
}

static enum hf_status open_git(struct hf_lock *lock, struct hf_err *err)
{
	enum hf_status status;
	struct git *g = find_repository(lock->path, &status, err);
	struct stat common;

	if (!g)
		return status;
	g->turnstile.path = lock->path;
	strcpy(g->turnstile.name, "turnstile");
	g->turnstile.dir = hf_git_own_dir(&g->at, &common, &status, err);
	if (g->turnstile.dir >= 0)
		status = open_turnstile(lock, g, err);
	if (status != HF_OK) {
		close_git(g);
		return status;
	}
	/* lock/X5 */
	lock->start = hf_lock_identity(g->at.git);
	lock->length = 1;
	lock->own = g;
	return HF_OK;
}

static enum hf_status open_index_freeze(struct hf_lock *lock, struct hf_err *err)
{
	if (lock->mode == HF_LOCK_EXCLUSIVE)
		return open_git(lock, err);
	hf_fail(err, HF_USAGE, "cannot freeze '%s' shared: a frozen index is one holder's",
		lock->path);
	hf_advise(err, "leave out -s for it");
	return HF_USAGE;
}

static enum hf_status take_git_turnstile(struct hf_lock *lock, const struct hf_wait *wait,
					 struct hf_err *err)
{
	struct git *g = lock->own;

	return hf_turnstile_take(lock, &g->turnstile, wait, err);
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
	hf_advise(err, "a hook that runs under index.lock is alone already; what locks the "
		       "repository belongs around the git that runs the hook");
	return HF_USAGE;
}

static void forget_seen(struct hf_lock *lock)
{
	if (lock->seen.fd >= 0)
		sys_close(lock->seen.fd);
	lock->seen.fd = -1;
}

/* Remember since when this very index.lock is known (lock/X3). Return false if there is none. */
static bool remember_seen(struct hf_lock *lock, const struct git *g)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	bool is_there;
	int fd;

	if (lock->seen.fd >= 0 && hf_names_inode(g->index.dir, g->index.name, lock->seen.fd))
		return true;
	fd = sys_openat(g->index.dir, g->index.name, flags, 0);
	is_there = fd >= 0 || errno != ENOENT;
	forget_seen(lock);
	lock->seen.fd = fd;
	lock->seen.ticks = hf_git_ticks();
	return is_there;
}

/* What no Git makes goes away by no waiting. */
static enum hf_status check_kind(const struct hf_lock *lock, const struct git *g,
				 struct hf_err *err)
{
	struct stat st;

	if (sys_fstatat(g->index.dir, g->index.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISREG(st.st_mode))
		return HF_OK;
	hf_fail(err, HF_DATA, "cannot lock '%s': '%s' is not a regular file", lock->path,
		g->lock_path);
	hf_advise(err, "no Git has made it, and it stops every Git: see what it is, and remove it");
	return HF_DATA;
}

/* Is index.lock out of the way? One that is stale is moved, unless `dry`. *e says what is there. */
static enum hf_status clear_index_lock(struct hf_lock *lock, struct git *g, bool dry,
				       struct hf_evidence *e, struct hf_err *err)
{
	struct hf_break_options options = {.stale_after = HF_NEVER, .dry_run = dry};
	struct hf_git_seen seen;
	struct hf_break_result broken;
	enum hf_status status = check_kind(lock, g, err);

	if (status != HF_OK)
		return status;
	if (!remember_seen(lock, g))
		return HF_OK;
	seen = (struct hf_git_seen){lock->seen.fd, lock->seen.ticks};
	status = hf_git_lock_break(&g->at, g->lock_path, &seen, &options, &broken, err);
	if (status != HF_OK)
		return status;
	*e = broken.evidence;
	if (broken.end != HF_BREAK_HELD && broken.end != HF_BREAK_UNKNOWN) {
		if (broken.end != HF_BREAK_STALE)
			forget_seen(lock);
		return HF_OK;
	}
	if (broken.end == HF_BREAK_HELD && hf_proc_is_ancestor(e->pid))
		return refuse_ancestor(lock->path, e->pid, err);
	return fail_index_busy(lock->path, e, err);
}

static enum hf_status try_git(struct hf_lock *lock, struct hf_err *err)
{
	struct hf_evidence e;

	/* an ancestor that holds it has tried */
	return lock->inherited >= 0 ? HF_OK : clear_index_lock(lock, lock->own, false, &e, err);
}

/* Return true if an ancestor has frozen the index and this process inherited index.lock. */
static bool is_frozen_for_us(const struct git *g)
{
	struct stat st;
	int fd;

	return sys_fstatat(g->index.dir, g->index.name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       hf_fd_inherited(&st, &fd) == HF_HELD_EXCLUSIVE;
}

/* The same for one that a keeper holds for an ancestor; second is then the keeper's descriptor. */
static bool borrow_frozen(struct hf_lock *lock, struct git *g)
{
	struct hf_keeper_loan loan;
	struct stat st, lent;

	if (sys_fstatat(g->index.dir, g->index.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !hf_keeper_borrow(&st, &loan))
		return false;
	for (int i = 0; i < loan.count; i++) {
		int fd = loan.fds[i];

		if (lock->second < 0 && fstat(fd, &lent) == 0 && hf_same_inode(&lent, &st) &&
		    hf_fd_held(fd) == HF_HELD_EXCLUSIVE && (fd = hf_fd_high(fd)) >= 0)
			lock->second = fd;
		else
			sys_close(loan.fds[i]);
	}
	g->borrowed = lock->second >= 0;
	return g->borrowed;
}

static enum hf_status try_index_freeze(struct hf_lock *lock, struct hf_err *err)
{
	struct git *g = lock->own;
	struct hf_evidence e;

	if (is_frozen_for_us(g) || borrow_frozen(lock, g))
		return HF_OK;
	for (;;) {
		enum hf_status status = clear_index_lock(lock, g, false, &e, err);

		if (status == HF_OK)
			status = hf_dot_link(&g->index, &g->new, &lock->second, err);
		/* HF_NO: a Git was faster */
		if (status != HF_NO)
			return status;
	}
}

/* Wait for the end of index.lock (lock/X3). */
static enum hf_status wait_for_index(struct hf_lock *lock, struct git *g,
				     const struct hf_wait *wait, struct hf_err *err)
{
	int64_t start = hf_now(), judge = 0;
	struct hf_wait_notice notice = hf_wait_notice_begin(wait);
	struct hf_evidence e = {0};
	struct hf_file_watch await;
	struct stat st;
	enum hf_status status = hf_file_watch_begin_often(&await, wait->deadline, err);

	if (status != HF_OK)
		return status;
	while (sys_fstatat(g->index.dir, g->index.name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT) {
		if (hf_now() >= judge || (e.pid && await.process < 0)) {
			int64_t pause = (hf_now() - start) / 4;

			status = clear_index_lock(lock, g, true, &e, err);
			if (status != HF_BUSY)
				break;
			pause = pause < MIN_JUDGE_MS * HF_MS ? MIN_JUDGE_MS * HF_MS : pause;
			pause = pause > MAX_JUDGE_MS * HF_MS ? MAX_JUDGE_MS * HF_MS : pause;
			judge = hf_now() + pause;
			hf_file_watch_process(&await, e.pid);
		}
		status = HF_OK;
		if (hf_wait_notice_is_due(&notice))
			hf_wait_notice_say(wait, "waiting for '%s': index.lock is %s: %s",
					   lock->path, hf_verdict_name(e.verdict),
					   hf_evidence_why(&e));
		if (!hf_file_watch_sleep(&await)) {
			status = fail_index_busy(lock->path, &e, err);
			break;
		}
	}
	hf_file_watch_end(&await);
	return status;
}

static enum hf_status wait_git(struct hf_lock *lock, const struct hf_wait *wait,
			       struct hf_err *err)
{
	enum hf_status status;
	struct git *g = find_repository(lock->path, &status, err);

	if (!g)
		return status;
	status = wait_for_index(lock, g, wait, err);
	close_git(g);
	return status;
}

static void release_git(struct hf_lock *lock)
{
	struct git *g = lock->own;
	int saved = errno;

	if (lock->second >= 0 && lock->lent) {
		hf_dot_give_back(&g->index, lock->second);
	} else if (lock->second >= 0) {
		if (!g->borrowed)
			hf_dot_remove(&g->index, lock->second);
		sys_close(lock->second);
	}
	lock->second = -1;
	hf_dot_discard(&g->index, &g->new);
	hf_turnstile_release(lock);
	close_git(g);
	lock->own = NULL;
	errno = saved;
}

static const char family[] = "git";

const struct hf_lock_ops hf_lock_git = {
	.name = "git",
	.rank = 4,
	.inherits = true,
	.family = family,
	.strictness = 1,
	.open = open_git,
	.take = take_git_turnstile,
	.try = try_git,
	.wait = wait_git,
	.release = release_git,
};

const struct hf_lock_ops hf_lock_git_turn = {
	.name = "git",
	.rank = 4,
	.inherits = true,
	.family = family,
	.open = open_git,
	.take = take_git_turnstile,
	.release = release_git,
};

const struct hf_lock_ops hf_lock_git_freeze = {
	.name = "frozen git",
	.rank = 4,
	.inherits = true,
	.family = family,
	.strictness = 2,
	.open = open_index_freeze,
	.take = take_git_turnstile,
	.try = try_index_freeze,
	.wait = wait_git,
	.release = release_git,
};
