/* SPDX-License-Identifier: ISC */
#include "git/index_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <holdfast/clock.h>
#include "lock/dotlock_file.h"
#include "stale/evidence.h"
#include <holdfast/proc.h>
#include "atomic/publish.h"
#include "base/tempfile.h"
#include "base/sys.h"

enum { MAX_TRIES = 100 };

/* A lock file, and the words of its error: "cannot WHAT 'NAME'". */
struct wanted {
	const struct hf_target *target;
	const char *what, *name;
};

/* Report which process holds the lock, as far as fd shows (-1: unknown). */
static enum hf_status fail_lock_busy(const struct wanted *w, int fd, struct hf_err *err)
{
	struct hf_lock_owner_info record = {.form = HF_OWNER_FOREIGN};
	char who[512];

	if (fd >= 0)
		hf_lock_owner_read(fd, &record);
	if (record.form == HF_OWNER_HOLDFAST) {
		hf_proc_describe(who, sizeof(who), record.owner.pid);
		hf_fail(err, HF_BUSY, "cannot %s '%s': held by %s", w->what, w->name, who);
		if (record.purpose[0])
			hf_advise(err, "it works on %s", record.purpose);
	} else {
		hf_fail(err, HF_BUSY, "cannot %s '%s': it is locked by a Git command", w->what,
			w->name);
		hf_advise(err, "wait longer with -w; 'lock-break --git' shows whether it is stale");
	}
	return HF_BUSY;
}

/* The lock file exists and is open as fd: take it over if its maker is dead. HF_NO: try again. */
static enum hf_status take_over(const struct wanted *w, struct hf_dot_new *new, int fd, int *lock,
				struct hf_err *err)
{
	struct hf_stale_query of = {.fd = fd, .place = -1, .locked = true, .stale_after = HF_NEVER};
	struct hf_evidence evidence;

	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? fail_lock_busy(w, fd, err)
			       : hf_fail_errno(err, "cannot lock '%s'", w->target->path);
	if (!hf_names_inode(w->target->dir, w->target->name, fd))
		return HF_NO;
	hf_evidence_judge(&of, &evidence);
	if (evidence.verdict != HF_VERDICT_STALE || (evidence.record.form != HF_OWNER_HOLDFAST &&
						     evidence.record.form != HF_OWNER_TRUNCATED))
		return fail_lock_busy(w, fd, err);
	return hf_dot_replace(w->target, new, fd, lock, err);
}

static enum hf_status take_lock_file(const struct wanted *w, const char *record, int *lock,
				     struct hf_err *err)
{
	struct hf_dot_new new = {.fd = -1, .purpose = record};
	enum hf_status status = HF_NO;
	struct stat st;
	int fd;

	hf_dot_reap(w->target);
	for (int tries = 0; status == HF_NO && tries < MAX_TRIES; tries++) {
		status = hf_dot_look(w->target, &fd, &st, err);
		if (status == HF_NO) {
			status = hf_dot_link(w->target, &new, lock, err);
		} else if (status == HF_OK) {
			status = take_over(w, &new, fd, lock, err);
			sys_close(fd);
		} else if (status == HF_NOPERM) {
			status = fail_lock_busy(w, -1, err);
		}
	}
	hf_dot_discard(w->target, &new);
	return status == HF_NO ? fail_lock_busy(w, -1, err) : status;
}

enum hf_status hf_repo_lock(struct hf_repo *repo, const char *record, struct hf_err *err)
{
	struct hf_target target = {.dir = repo->git, .name = "index.lock", .path = repo->lock_path};
	struct wanted w = {&target, "lock the index of", hf_repo_name(repo)};

	repo->record = record;
	return take_lock_file(&w, record, &repo->lock, err);
}

enum hf_status hf_ref_lock(struct hf_repo *repo, const struct hf_target *target, const char *ref,
			   int *fd, struct hf_err *err)
{
	struct wanted w = {target, "move", ref};

	/* another link to index.lock has the same content and needs no other file */
	if (repo->lock >= 0 && hf_tempfile_link(target, repo->lock, target->name, NULL) == HF_OK) {
		*fd = fcntl(repo->lock, F_DUPFD_CLOEXEC, 0);
		if (*fd >= 0)
			return HF_OK;
		hf_fail_errno(err, "cannot lock '%s'", target->path);
		sys_unlinkat(target->dir, target->name, 0);
		return HF_OS;
	}

	return take_lock_file(&w, repo->record, fd, err);
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
