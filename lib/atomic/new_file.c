/* SPDX-License-Identifier: ISC */
#include "atomic/new_file.h"

#include <bsd/unistd.h>
#include <stdlib.h>

#include "atomic/publish.h"
#include "atomic/validate.h"
#include "base/attributes.h"
#include "base/sys.h"
#include "base/tempfile.h"

/* A content of this size is written to the disk before the target is locked. */
enum { LARGE = 1024 * 1024 };

enum hf_status hf_new_file_fail(const struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = hf_fail_errno(
		err, "cannot %s '%s'", a->claim.present ? "replace" : "create", a->target.path);

	if (status == HF_IO && a->claim.present)
		hf_advise(err, "the old content is kept");
	return status;
}

static enum hf_status check_mode(const char *mode, struct hf_err *err)
{
	void *set = mode ? setmode(mode) : NULL;

	if (mode && !set)
		return hf_fail(err, HF_USAGE, "'%s' is not a mode", mode);
	free(set);
	return HF_OK;
}

enum hf_status hf_new_file_open(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = check_mode(a->options->mode, err);

	if (status == HF_OK)
		status = hf_target_rules_check(&a->target, &a->rules, err);
	if (status == HF_OK && a->borrowed)
		status = hf_target_check(&a->claim, &a->target, &a->rules, err);
	else if (status == HF_OK)
		status = hf_target_peek(&a->claim, &a->target, &a->rules, err);
	/* made for an absent target, the new file has umask and default ACL from the kernel */
	a->made_absent = !a->claim.present || a->claim.is_link;
	if (status == HF_OK)
		status = hf_tempfile_open(&a->target, a->made_absent ? 0666 : 0600, &a->fd,
					  a->temporary, err);
	return status;
}

bool hf_new_file_syncs(const struct hf_atomic *a)
{
	return a->options->sync != HF_SYNC_NONE;
}

enum hf_status hf_new_file_check(struct hf_atomic *a, struct hf_err *err)
{
	const struct hf_atomic_options *o = a->options;
	enum hf_status status = HF_OK;
	struct stat st;

	if (o->validate)
		status = hf_validate(a->fd, o->validate, a->target.path, &a->validator, err);
	if (status != HF_OK)
		return status;
	if (sys_fstat(a->fd, &st) < 0)
		return hf_new_file_fail(a, err);
	if (st.st_size == 0 && !o->allow_empty) {
		hf_fail(err, HF_DATA, "refusing to %s '%s': the new content is empty",
			a->claim.present ? "replace" : "create", a->target.path);
		hf_advise(err, "use --allow-empty to accept it");
		return HF_DATA;
	}
	if (st.st_size >= LARGE && hf_new_file_syncs(a) && hf_publish_fsync(a->fd) < 0)
		return hf_new_file_fail(a, err);
	return HF_OK;
}

/* The new file was made for a target that existed then. The attributes for an absent one (umask,
 * the directory's default ACL) are known only to the kernel: take them from a file that is made
 * now. */
static enum hf_status set_absent_attributes(struct hf_atomic *a, struct hf_err *err)
{
	char name[NAME_MAX + 1];
	enum hf_status status;
	struct stat st;
	int model;

	status = hf_tempfile_open(&a->target, 0666, &model, name, err);
	if (status != HF_OK)
		return status;
	if (sys_fstat(model, &st) < 0)
		status = hf_new_file_fail(a, err);
	else
		status = hf_copy_attributes(model, a->fd, &st, a->target.path, err);
	hf_tempfile_discard(&a->target, model, name);
	return status;
}

static enum hf_status set_mode(struct hf_atomic *a, struct hf_err *err)
{
	void *set = setmode(a->options->mode);
	struct stat st;
	int r = -1;

	if (set && sys_fstat(a->fd, &st) == 0)
		r = sys_fchmod(a->fd, getmode(set, st.st_mode) & 07777);
	free(set);
	return r < 0 ? hf_new_file_fail(a, err) : HF_OK;
}

enum hf_status hf_new_file_finish(struct hf_atomic *a, struct hf_err *err)
{
	bool absent = !a->claim.present || a->claim.is_link;
	enum hf_status status = HF_OK;

	if (!absent)
		status = hf_copy_attributes(a->claim.fd, a->fd, &a->claim.st, a->target.path, err);
	else if (!a->made_absent)
		status = set_absent_attributes(a, err);
	a->made_absent = absent;
	if (status == HF_OK && a->options->mode)
		status = set_mode(a, err);
	a->syncs_late = hf_new_file_syncs(a) && !a->temporary[0] && hf_publish_syncs_late(a->fd);
	if (status == HF_OK && hf_new_file_syncs(a) && !a->syncs_late &&
	    hf_publish_fsync(a->fd) < 0)
		status = hf_new_file_fail(a, err);
	return status;
}
