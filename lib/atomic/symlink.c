/* SPDX-License-Identifier: ISC */
#include <holdfast/symlink.h>

#include <errno.h>
#include <string.h>

#include "atomic/backup.h"
#include "atomic/publish.h"
#include "atomic/target_check.h"
#include "base/sys.h"
#include "base/tempfile.h"

#define LINK "link" /* the name in its directory; base/tempfile.c knows it */

enum { MAX_TRIES = 20 };

/* Make the link in a directory, which is locked and open as *fd. HF_NO: the name is taken. */
static enum hf_status try_make(const struct hf_target *target, const char *name, const char *to,
			       int *fd, struct hf_err *err)
{
	enum hf_status status;

	if (sys_mkdirat(target->dir, name, 0700) < 0)
		return errno == EEXIST ? HF_NO : hf_fail_replace(target, err);
	*fd = sys_openat(target->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (*fd >= 0 && sys_flock(*fd, LOCK_EX | LOCK_NB) == 0 && sys_symlinkat(to, *fd, LINK) == 0)
		return HF_OK;
	hf_close(*fd);
	/* another process removed it as a leftover before it was locked */
	if (errno == ENOENT || errno == EWOULDBLOCK)
		return HF_NO;
	status = hf_fail_replace(target, err);
	sys_unlinkat(target->dir, name, AT_REMOVEDIR);
	return status;
}

static enum hf_status make_link(const struct hf_target *target, const char *to,
				char name[NAME_MAX + 1], int *fd, struct hf_err *err)
{
	enum hf_status status;
	uint32_t number = 0;

	hf_target_side(target, "tmp", name);
	for (int tries = 0; tries < MAX_TRIES; tries++) {
		status = try_make(target, name, to, fd, err);
		if (status != HF_NO)
			return status;
		hf_publish_clear(target, "tmp", &number, name);
	}
	errno = EEXIST;
	return hf_fail_errno_as(err, HF_CANTCREAT, "cannot use '%s' beside '%s'", name,
				target->path);
}

/* HF_NO: the target was absent, and exists now. */
static enum hf_status rename_link(const struct hf_target *target, int fd, bool present,
				  struct hf_err *err)
{
	if (sys_renameat2(fd, LINK, target->dir, target->name, present ? 0 : RENAME_NOREPLACE) == 0)
		return HF_OK;
	/* NFS and some FUSE do not know the flag */
	if (!present && (errno == EINVAL || errno == ENOSYS) &&
	    sys_linkat(fd, LINK, target->dir, target->name, 0) == 0)
		return HF_OK;
	return !present && errno == EEXIST ? HF_NO : hf_fail_replace(target, err);
}

static bool is_same_link(const struct hf_target *target, const char *to)
{
	char now[PATH_MAX];
	ssize_t n = sys_readlinkat(target->dir, target->name, now, sizeof(now));

	return n >= 0 && (size_t)n == strlen(to) && memcmp(now, to, (size_t)n) == 0;
}

/* Under the target's lock. HF_NO: start again. */
static enum hf_status replace_by_link(const struct hf_target *target,
				      const struct hf_target_claim *claim, const char *to,
				      const struct hf_atomic_options *o, struct hf_err *err)
{
	char name[NAME_MAX + 1];
	enum hf_status status = HF_OK;
	int fd = -1;

	if (o->skip_same && claim->is_link && is_same_link(target, to))
		return HF_OK;
	if (o->backup && claim->present)
		status = hf_backup(target, claim->fd, &claim->st, o->backup,
				   o->sync != HF_SYNC_NONE, err);
	if (status == HF_OK)
		status = make_link(target, to, name, &fd, err);
	if (status != HF_OK)
		return status;
	status = rename_link(target, fd, claim->present, err);
	sys_unlinkat(fd, LINK, 0);
	sys_unlinkat(target->dir, name, AT_REMOVEDIR);
	sys_close(fd);
	return status;
}

enum hf_status hf_atomic_symlink(const char *path, const char *to,
				 const struct hf_atomic_options *options, struct hf_err *err)
{
	const struct hf_target_rules rules = {.links = true,
					      .hard_links = options->break_links,
					      .backup = options->backup,
					      .if_match = options->if_match};
	struct hf_target target;
	struct hf_target_claim claim;
	bool again = true;
	enum hf_status status =
		hf_target_open(&target, path,
			       HF_TARGET_NO_FOLLOW | (options->parents ? HF_TARGET_PARENTS : 0) |
				       (options->sync != HF_SYNC_FULL ? HF_TARGET_NO_SYNC : 0),
			       err);

	if (status != HF_OK)
		return status;
	status = hf_target_rules_check(&target, &rules, err);
	if (status == HF_OK)
		status = hf_target_peek(&claim, &target, &rules, err);
	while (status == HF_OK && again) {
		status = hf_target_claim(&claim, &target, &rules, &options->wait, err);
		if (status != HF_OK)
			break;
		status = replace_by_link(&target, &claim, to, options, err);
		hf_close(claim.fd);
		again = status == HF_NO;
		status = again ? HF_OK : status;
	}
	if (status == HF_OK && options->sync == HF_SYNC_FULL)
		status = hf_publish_sync(&target, err);
	hf_target_close(&target);
	return status;
}
