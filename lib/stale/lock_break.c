/* SPDX-License-Identifier: ISC */
#include "stale/lock_break.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/side_file.h"
#include "base/stats_log.h"
#include "base/sys.h"
#include <holdfast/path.h>

static void set_verdict(struct hf_break_result *b, enum hf_verdict verdict, const char *why)
{
	b->evidence = (struct hf_evidence){.verdict = verdict};
	hf_evidence_say(&b->evidence, "%s", why);
}

/* Open a file or directory that can be judged. Return -1 if b contains the result, or *status the
 * error. */
static int open_judged(const struct hf_target *target, struct hf_break_result *b,
		       enum hf_status *status, struct hf_err *err)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;
	int fd;

	*status = HF_OK;
	if (sys_fstatat(target->dir, target->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			*status = hf_fail_errno(err, "cannot read the state of '%s'", target->path);
		return -1;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		set_verdict(b, HF_VERDICT_UNKNOWN,
			    S_ISLNK(st.st_mode) ? "it is a symbolic link"
						: "it is neither a file nor a directory");
		return -1;
	}
	fd = sys_openat(target->dir, target->name, flags, 0);
	if (fd >= 0)
		return fd;
	if (errno == ELOOP)
		set_verdict(b, HF_VERDICT_UNKNOWN, "it is a symbolic link");
	else if (errno == EACCES || errno == EPERM)
		set_verdict(b, HF_VERDICT_UNKNOWN, "it may not be read");
	else if (errno != ENOENT)
		*status = hf_fail_errno(err, "cannot open '%s'", target->path);
	return -1;
}

/* Return true if the lock can be moved there. The owner of a shared quarantine must be a user who
 * can write to base; any other one must belong to the caller. */
static bool is_ours(const struct hf_target *target, const struct hf_break_rules *how, int fd)
{
	struct hf_target base = {.dir = how->base, .path = target->path};
	struct hf_trust trust;
	struct stat st;

	if (sys_fstat(fd, &st) < 0)
		return false;
	if (!how->shared)
		return hf_same_user(st.st_uid, geteuid());
	hf_trust_init(&trust, &base, how->base);
	trust.quiet = true;
	return hf_trusts(&trust, &st) &&
	       (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0 || errno != EACCES);
}

/* Make it, unless the name exists. Return -1 with errno set. */
static int make_quarantine(const struct hf_break_rules *how, const char *name)
{
	struct stat st;

	if (how->shared)
		return sys_fstat(how->base, &st) == 0 &&
				       hf_shared_dir(how->base, name, &st) == HF_OK
			       ? 0
			       : -1;
	return sys_mkdirat(how->base, name, 0700) == 0 || errno == EEXIST ? 0 : -1;
}

/* Open the quarantine under the first of its names that is free or can be used. Return -1 with
 * *status and err set. */
static int open_quarantine(const struct hf_target *target, const struct hf_break_rules *how,
			   char name[NAME_MAX + 1], enum hf_status *status, struct hf_err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	snprintf(name, NAME_MAX + 1, "%s", how->quarantine);
	for (int n = 1; n <= HF_OTHER_NAMES + 1; n++) {
		if (make_quarantine(how, name) < 0) {
			*status = hf_fail_errno(err, "cannot make %s beside '%s'", name,
						target->path);
			return -1;
		}
		fd = sys_openat(how->base, name, flags, 0);
		if (fd >= 0 && is_ours(target, how, fd))
			return fd;
		hf_close(fd);
		if (HF_WITHOUT(quarantine_names))
			break;
		snprintf(name, NAME_MAX + 1, "%s.%d", how->quarantine, n);
	}
	*status = hf_fail(err, HF_NOPERM,
			  "cannot move '%s' aside: none of %s and %s.1 to .9 "
			  "is a directory of yours",
			  target->path, how->quarantine, how->quarantine);
	hf_advise(err,
		  "other users have made them: remove them, or let their owner break the lock");
	return -1;
}

/* Format NAME.TIME.PID, with a number if that name exists. */
static void make_name(const char *name, int tries, char out[NAME_MAX + 1])
{
	char mark[64];
	time_t now = time(NULL);
	struct tm tm;
	size_t n = 0;

	if (gmtime_r(&now, &tm))
		n = strftime(mark, sizeof(mark), ".%Y%m%dT%H%M%SZ", &tm);
	n += (size_t)snprintf(mark + n, sizeof(mark) - n, ".%d", (int)getpid());
	if (tries > 0)
		n += (size_t)snprintf(mark + n, sizeof(mark) - n, ".%d", tries);
	snprintf(out, NAME_MAX + 1, "%.*s%s", (int)(NAME_MAX - n), name, mark);
}

/* Move the lock to the quarantine (stale/B3). HF_NO: it was gone. */
static enum hf_status move_to_quarantine(const struct hf_target *target,
					 const struct hf_break_rules *how, int fd,
					 struct hf_break_result *b, struct hf_err *err)
{
	enum { MAX_NAMES = 100 };
	char name[NAME_MAX + 1], dir[NAME_MAX + 1];
	enum hf_status status;
	int tries = 0, done;
	int quarantine = open_quarantine(target, how, dir, &status, err);

	if (quarantine < 0)
		return status;
	/* a process that does not lock may have removed it, and another one made a new lock */
	if (!hf_names_inode(target->dir, target->name, fd)) {
		sys_close(quarantine);
		return HF_NO;
	}
	status = HF_OK;
	do {
		make_name(target->name, tries, name);
		done = sys_renameat2(target->dir, target->name, quarantine, name, RENAME_NOREPLACE);
	} while (done < 0 && errno == EEXIST && tries++ < MAX_NAMES);
	if (done < 0 && (errno != EINVAL ||
			 sys_renameat2(target->dir, target->name, quarantine, name, 0) < 0)) {
		status = errno == ENOENT
				 ? HF_NO
				 : hf_fail_errno(err, "cannot move '%s' aside", target->path);
	} else if (!hf_names_inode(quarantine, name, fd)) {
		sys_renameat2(quarantine, name, target->dir, target->name, RENAME_NOREPLACE);
		status = HF_NO;
	}
	sys_close(quarantine);
	if (status == HF_OK)
		snprintf(b->moved, sizeof(b->moved), "%.40s/%s", dir, name);
	return status;
}

static bool is_directory(int fd)
{
	struct stat st;

	return sys_fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Lock it, judge it again, and move it aside (stale/B2). HF_NO: it has changed; start again. */
static enum hf_status break_stale(const struct hf_target *target, const struct hf_break_rules *how,
				  struct hf_stale_query *of, struct hf_break_result *b,
				  struct hf_err *err)
{
	enum hf_status status;

	if (sys_flock(of->fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return hf_fail_errno(err, "cannot lock '%s' to break it", target->path);
		set_verdict(b, HF_VERDICT_HELD,
			    "it is locked by flock(2): a process that you may not see");
		return HF_OK;
	}
	if (!hf_names_inode(target->dir, target->name, of->fd))
		return HF_NO;
	of->locked = true;
	how->judge(how->context, of, &b->evidence);
	if (b->evidence.verdict != HF_VERDICT_STALE)
		return HF_OK;
	status = move_to_quarantine(target, how, of->fd, b, err);
	if (status == HF_OK)
		hf_stats_broken(target->path, how->kind		     ? how->kind
					      : is_directory(of->fd) ? "directory"
								     : "dotlock");
	return status;
}

static enum hf_status break_once(const struct hf_target *target, const struct hf_break_rules *how,
				 const struct hf_break_options *options, struct hf_break_result *b,
				 struct hf_err *err)
{
	struct hf_stale_query of = {
		.place = target->dir, .alone = options->alone, .stale_after = options->stale_after};
	enum hf_status status;

	*b = (struct hf_break_result){.moved = ""};
	of.fd = open_judged(target, b, &status, err);
	if (of.fd < 0)
		return status;
	how->judge(how->context, &of, &b->evidence);
	if (b->evidence.verdict == HF_VERDICT_STALE && !options->dry_run)
		status = break_stale(target, how, &of, b, err);
	sys_close(of.fd);
	return status;
}

enum hf_status hf_break_at(const struct hf_target *target, const struct hf_break_rules *how,
			   const struct hf_break_options *options, struct hf_break_result *b,
			   struct hf_err *err)
{
	enum { MAX_TRIES = 100 };
	enum hf_status status = HF_NO;

	for (int tries = 0; status == HF_NO && tries < MAX_TRIES; tries++)
		status = break_once(target, how, options, b, err);
	if (status != HF_NO)
		return status;
	hf_fail(err, HF_BUSY, "cannot break '%s': it is replaced all the time", target->path);
	hf_advise(err, "other processes create and remove it, so it is in use; try again later");
	return HF_BUSY;
}

static void judge_by_evidence(const void *context, const struct hf_stale_query *of,
			      struct hf_evidence *e)
{
	(void)context;
	hf_evidence_judge(of, e);
}

enum hf_status hf_break(const char *path, const struct hf_break_options *options,
			struct hf_break_result *b, struct hf_err *err)
{
	struct hf_break_rules how = {.judge = judge_by_evidence, .quarantine = HF_QUARANTINE};
	char clean[PATH_MAX];
	struct hf_target target;
	enum hf_status status;
	size_t size = strlen(path);

	/* the path of a lock directory may end with slashes */
	while (size > 1 && size < sizeof(clean) && path[size - 1] == '/')
		size--;
	if (size < sizeof(clean)) {
		snprintf(clean, sizeof(clean), "%.*s", (int)size, path);
		path = clean;
	}
	status = hf_target_open(&target, path,
				HF_TARGET_NO_FOLLOW | HF_TARGET_NO_SYNC | HF_TARGET_ANY_NAME, err);
	if (status != HF_OK)
		return status;
	how.base = target.dir;
	status = hf_break_at(&target, &how, options, b, err);
	hf_target_close(&target);
	return status;
}
