/* SPDX-License-Identifier: ISC */
#include "git/repo_id.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/path.h>
#include "base/side_file.h"
#include "base/tempfile.h"
#include "base/sys.h"

#define OURS "holdfast"

/* Read the identity. HF_NO: there is none, or it is incomplete. */
static enum hf_status read_id(struct hf_repo *repo, const struct hf_target *target,
			      struct hf_err *err)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	char id[HF_OID_SIZE] = "", owner[HF_USER_SIZE];
	int fd = sys_openat(target->dir, target->name, flags, 0);
	const char *why = NULL;
	struct hf_trust trust;
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return HF_NO;
	/* a link, a socket, a device without a driver */
	if (fd < 0 && errno != ELOOP && errno != ENXIO && errno != ENODEV)
		return hf_fail_errno(err, "cannot read '%s'", target->path);
	/* its users are those who may write to the repository */
	hf_trust_init(&trust, target, repo->common);
	if (fd < 0) {
		if (sys_fstatat(target->dir, target->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			st.st_uid = (uid_t)-1;
		why = "it is not a regular file";
	} else if (sys_fstat(fd, &st) == 0) {
		why = hf_side_distrusts(&trust, fd, &st);
	}
	if (why) {
		if (fd >= 0)
			sys_close(fd);
		return hf_fail(err, HF_NOPERM, "cannot use '%s', which belongs to %s: %s",
			       target->path, hf_user_name(owner, st.st_uid), why);
	}
	n = sys_pread(fd, id, sizeof(id) - 1, 0);
	sys_close(fd);
	if (n < 0)
		return hf_fail_errno(err, "cannot read '%s'", target->path);
	id[strcspn(id, "\n")] = '\0';
	if (strlen(id) < 16 || strspn(id, "0123456789abcdef") != strlen(id))
		return hf_fail(err, HF_DATA, "'%s' holds no repository identity", target->path);
	strcpy(repo->id, id);
	return HF_OK;
}

/* Create the identity. HF_NO: another process was faster. */
static enum hf_status make_id(struct hf_repo *repo, const struct hf_target *target,
			      const struct stat *common, struct hf_err *err)
{
	char name[NAME_MAX + 1], id[HF_OID_SIZE];
	enum hf_status status;
	int fd, len = 0;

	for (int i = 0; i < 4; i++)
		len += snprintf(id + len, sizeof(id) - (size_t)len, "%08" PRIx32, arc4random());
	id[len++] = '\n';
	status = hf_tempfile_open(target, 0666, &fd, name, err);
	if (status != HF_OK)
		return status;
	/* for every user of the repository, whatever the umask is */
	if (sys_fchmod(fd, common->st_mode & 0666) < 0 ||
	    sys_pwrite(fd, id, (size_t)len, 0) != len || sys_fsync(fd) < 0)
		status = hf_fail_errno(err, "cannot write '%s'", target->path);
	if (status == HF_OK)
		status = hf_tempfile_link(target, fd, target->name, err);
	if (status == HF_OK && (sys_fsync(fd) < 0 || sys_fsync(target->dir) < 0 ||
				sys_fsync(repo->common) < 0))
		status = hf_fail_errno(err, "cannot sync '%s'", target->path);
	if (name[0])
		sys_unlinkat(target->dir, name, 0);
	sys_close(fd);
	return status;
}

enum hf_status hf_repo_id(struct hf_repo *repo, const char **id, struct hf_err *err)
{
	struct hf_target target;
	enum hf_status status = HF_NO;
	struct stat common;
	char *path;

	*id = repo->id;
	if (repo->id[0])
		return HF_OK;
	if (asprintf(&path, "%s/" OURS "/id", repo->commondir) < 0)
		return hf_fail_errno(err, "cannot read the identity of a repository");
	if (sys_fstat(repo->common, &common) < 0 ||
	    hf_shared_dir(repo->common, OURS, &common) != HF_OK)
		status = hf_fail_errno(err, "cannot make '%s'", path);
	else
		status = hf_target_open(&target, path, HF_TARGET_NO_FOLLOW, err);
	if (status == HF_OK) {
		status = read_id(repo, &target, err);
		if (status == HF_NO) {
			status = make_id(repo, &target, &common, err);
			if (status == HF_OK || status == HF_NO)
				status = read_id(repo, &target, err);
			/* no program of holdfast removes it */
			if (status == HF_NO)
				status = hf_fail(err, HF_NOPERM,
						 "cannot use '%s': it is removed all the time",
						 path);
		}
		hf_target_close(&target);
	}
	free(path);
	return status;
}
