/* SPDX-License-Identifier: ISC */
#include "repo_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "clock.h"
#include "dot_file.h"
#include "evidence.h"
#include "proc.h"
#include "publish.h"
#include "stage.h"
#include "sys.h"

enum { MOST_TRIES = 100 };

/* A lock, and "cannot WHAT 'NAME'". */
struct wanted {
	const struct hf_target *target;
	const char *what, *name;
};

static const char *const index_litter[] = {HF_NEW_INDEX, HF_NEW_INDEX ".lock"};

/* Who has it: what is known of fd (-1: nothing). */
static enum hf_status busy(const struct wanted *w, int fd, struct hf_err *err)
{
	struct hf_dot_record record = {.form = HF_DOT_FOREIGN};
	char who[512];

	if (fd >= 0)
		hf_dot_record_read(fd, &record);
	if (record.form == HF_DOT_OURS) {
		hf_proc_describe(who, sizeof(who), record.owner.pid);
		hf_fail(err, HF_BUSY, "cannot %s '%s': held by %s", w->what, w->name, who);
		if (record.purpose[0])
			hf_advise(err, "it works on %s", record.purpose);
	} else {
		hf_fail(err, HF_BUSY, "cannot %s '%s': it is locked by a Git", w->what, w->name);
		hf_advise(err, "wait longer with -w; 'lock-break --git' shows whether it is stale");
	}
	return HF_BUSY;
}

/* It is there, and fd is open on it. HF_NO: look again. */
static enum hf_status meet(const struct wanted *w, struct hf_dot_new *new, int fd, int *lock,
			   struct hf_err *err)
{
	struct hf_evidence_of of = {.fd = fd, .place = -1, .locked = true, .stale_after = HF_NEVER};
	struct hf_evidence evidence;

	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? busy(w, fd, err)
					    : hf_fail_errno(err, "cannot lock '%s'",
							    w->target->path);
	if (!hf_dot_names(w->target, fd))
		return HF_NO;
	hf_evidence_judge(&of, &evidence);
	if (evidence.verdict != HF_VERDICT_STALE ||
	    (evidence.record.form != HF_DOT_OURS && evidence.record.form != HF_DOT_TORN))
		return busy(w, fd, err);
	return hf_dot_replace(w->target, new, fd, lock, err);
}

static enum hf_status take(const struct wanted *w, const char *record, int *lock,
			   struct hf_err *err)
{
	struct hf_dot_new new = {.fd = -1, .purpose = record};
	enum hf_status status = HF_NO;
	struct stat st;
	int fd;

	hf_dot_reap(w->target);
	for (int tries = 0; status == HF_NO && tries < MOST_TRIES; tries++) {
		status = hf_dot_look(w->target, &fd, &st, err);
		if (status == HF_NO) {
			status = hf_dot_link(w->target, &new, lock, err);
		} else if (status == HF_OK) {
			status = meet(w, &new, fd, lock, err);
			sys_close(fd);
		} else if (status == HF_NOPERM) {
			status = busy(w, -1, err);
		}
	}
	hf_dot_discard(w->target, &new);
	return status == HF_NO ? busy(w, -1, err) : status;
}

enum hf_status hf_index_lock(struct hf_repo *repo, const char *record, struct hf_err *err)
{
	struct hf_target target = {.dir = repo->git, .name = "index.lock", .path = repo->lock_path};
	struct wanted w = {&target, "lock the index of", hf_repo_name(repo)};

	repo->record = record;
	return take(&w, record, &repo->lock, err);
}

enum hf_status hf_ref_lock(struct hf_repo *repo, const struct hf_target *target, const char *ref,
			   int *fd, struct hf_err *err)
{
	struct wanted w = {target, "move", ref};

	/* its record says all that is to be said: another name of it needs no other file */
	if (repo->lock >= 0 && hf_stage_link(target, repo->lock, target->name, NULL) == HF_OK) {
		*fd = fcntl(repo->lock, F_DUPFD_CLOEXEC, 0);
		if (*fd >= 0)
			return HF_OK;
		hf_fail_errno(err, "cannot lock '%s'", target->path);
		sys_unlinkat(target->dir, target->name, 0);
		return HF_OS;
	}

	return take(&w, repo->record, fd, err);
}

void hf_ref_unlock(const struct hf_target *target, int fd)
{
	int saved = errno;

	hf_dot_remove(target, fd);
	sys_close(fd);
	errno = saved;
}

void hf_index_unlock(struct hf_repo *repo)
{
	struct hf_target target = {.dir = repo->git, .name = "index.lock", .path = repo->lock_path};
	int saved = errno;

	if (repo->lock >= 0) {
		hf_dot_remove(&target, repo->lock);
		sys_close(repo->lock);
	}
	repo->lock = -1;
	errno = saved;
}

static enum hf_status cannot(const struct hf_repo *repo, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot replace the index of '%s'", hf_repo_name(repo));
}

void hf_index_abort(struct hf_repo *repo)
{
	int saved = errno;

	for (size_t i = 0; i < sizeof(index_litter) / sizeof(index_litter[0]); i++)
		sys_unlinkat(repo->git, index_litter[i], 0);
	errno = saved;
}

enum hf_status hf_index_begin(struct hf_repo *repo, struct stat *st, struct hf_err *err)
{
	hf_index_abort(repo);
	*st = (struct stat){0};
	if (sys_fstatat(repo->git, "index", st, AT_SYMLINK_NOFOLLOW) < 0) {
		*st = (struct stat){0};
		return errno == ENOENT ? HF_OK : cannot(repo, err);
	}
	if (!S_ISREG(st->st_mode))
		return hf_fail(err, HF_DATA, "the index of '%s' is not a regular file",
			       hf_repo_name(repo));
	return sys_linkat(repo->git, "index", repo->git, HF_NEW_INDEX, 0) < 0 ? cannot(repo, err)
									      : HF_OK;
}

/* As the old one, and on the disk. */
static enum hf_status finish(struct hf_repo *repo, const struct stat *old, int fd,
			     struct hf_err *err)
{
	const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, old->st_mtim};
	struct stat st;

	if (sys_fstat(fd, &st) < 0)
		return cannot(repo, err);
	if (old->st_ino && !hf_same_inode(old, &st)) {
		if (st.st_gid != old->st_gid)
			(void)!sys_fchown(fd, (uid_t)-1, old->st_gid);
		if ((st.st_mode & 07777) != (old->st_mode & 07777) &&
		    sys_fchmod(fd, old->st_mode & 07777) < 0)
			return cannot(repo, err);
		if (futimens(fd, times) < 0)
			return cannot(repo, err);
	}
	return hf_publish_fsync(fd) < 0 ? cannot(repo, err) : HF_OK;
}

enum hf_status hf_index_commit(struct hf_repo *repo, const struct stat *st, struct hf_err *err)
{
	enum hf_status status;
	int fd = sys_openat(repo->git, HF_NEW_INDEX, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd < 0) {
		/* an empty index, of which nothing was changed */
		status = errno == ENOENT && !st->st_ino ? HF_OK : cannot(repo, err);
		hf_index_abort(repo);
		return status;
	}
	status = finish(repo, st, fd, err);
	sys_close(fd);
	/* if nothing was changed these are one file, and this does nothing */
	if (status == HF_OK && sys_renameat2(repo->git, HF_NEW_INDEX, repo->git, "index", 0) < 0)
		status = cannot(repo, err);
	hf_index_abort(repo);
	return status == HF_OK ? hf_due_add(&repo->names, repo->git, hf_repo_name(repo), err)
			       : status;
}
