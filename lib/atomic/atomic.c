/* SPDX-License-Identifier: ISC */
#include <holdfast/atomic.h>

#include <bsd/unistd.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/attributes.h"
#include "atomic/backup.h"
#include "atomic/target_claim.h"
#include "base/copy.h"
#include "atomic/publish.h"
#include "base/tempfile.h"
#include "base/sys.h"
#include "atomic/validate.h"

/* A content of this size is written to the disk before the target is locked. */
enum { LARGE = 1024 * 1024 };

static enum hf_status fail_replace(const struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = hf_fail_errno(err, "cannot %s '%s'",
					      a->present ? "replace" : "create", a->target.path);

	if (status == HF_IO && a->present)
		hf_advise(err, "the old content is kept");
	return status;
}

static struct hf_target_rules target_rules(const struct hf_atomic *a)
{
	const struct hf_atomic_options *o = a->options;

	return (struct hf_target_rules){.links = o->no_follow,
					.hard_links = o->break_links,
					.backup = o->backup,
					.if_match = o->if_match};
}

/* ---- begin ---------------------------------------------------------------------------------- */

static enum hf_status check_options(const struct hf_atomic *a, struct hf_err *err)
{
	const struct hf_atomic_options *o = a->options;
	const struct hf_target_rules rules = target_rules(a);

	if (o->mode) {
		void *set = setmode(o->mode);

		if (!set)
			return hf_fail(err, HF_USAGE, "'%s' is not a mode", o->mode);
		free(set);
	}
	if (o->backup) {
		enum hf_status status = hf_backup_check(&a->target, o->backup, err);

		if (status != HF_OK)
			return status;
	}
	return hf_target_rules_check(&rules, err);
}

/* If the target is known already, check it. If not, its present state decides how the new file is
 * made, and it is checked again under its lock. */
static enum hf_status check_target(struct hf_atomic *a, struct hf_err *err)
{
	const struct hf_target_rules rules = target_rules(a);
	struct hf_target_claim claim = {.fd = a->old, .st = a->st, .present = a->old >= 0};
	enum hf_status status = a->borrowed ? hf_target_claim_check(&claim, &a->target, &rules, err)
					    : hf_target_claim_peek(&claim, &a->target, &rules, err);

	a->present = claim.present;
	a->is_link = claim.is_link;
	return status;
}

static enum hf_status begin_new_file(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = check_options(a, err);

	if (status == HF_OK)
		status = check_target(a, err);
	/* made for an absent target, the new file has umask and default ACL from the kernel */
	a->made_absent = !a->present || a->is_link;
	if (status == HF_OK)
		status = hf_tempfile_open(&a->target, a->made_absent ? 0666 : 0600, &a->fd,
					  a->temporary, err);
	if (status != HF_OK)
		hf_atomic_end(a);
	return status;
}

enum hf_status hf_atomic_begin(struct hf_atomic *a, const char *path,
			       const struct hf_atomic_options *options, struct hf_err *err)
{
	enum hf_status status;

	*a = (struct hf_atomic){.options = options, .fd = -1, .old = -1};
	status = hf_target_open(&a->target, path,
				(options->no_follow ? HF_TARGET_NO_FOLLOW : 0) |
					(options->parents ? HF_TARGET_PARENTS : 0) |
					(options->sync != HF_SYNC_FULL ? HF_TARGET_NO_SYNC : 0),
				err);
	return status == HF_OK ? begin_new_file(a, err) : status;
}

enum hf_status hf_atomic_begin_at(struct hf_atomic *a, const struct hf_target *target, int old,
				  const struct stat *st, const struct hf_atomic_options *options,
				  struct hf_err *err)
{
	*a = (struct hf_atomic){.options = options, .fd = -1, .old = old, .target = *target};
	a->borrowed = a->early = true;
	if (st)
		a->st = *st;
	return begin_new_file(a, err);
}

/* ---- lock ----------------------------------------------------------------------------------- */

static enum hf_status acquire_target(struct hf_atomic *a, bool keeps_old, struct hf_err *err)
{
	struct hf_target_rules rules = target_rules(a);
	struct hf_target_claim claim;
	enum hf_status status;

	rules.keeps_old = keeps_old;
	status = hf_target_claim_acquire(&claim, &a->target, &rules, &a->options->wait, err);

	a->present = claim.present;
	a->is_link = claim.is_link;
	a->old = claim.fd;
	a->st = claim.st;
	return status;
}

enum hf_status hf_atomic_lock(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = acquire_target(a, true, err);

	a->early = status == HF_OK;
	if (status == HF_OK && !a->present)
		status = hf_fail(err, HF_NOINPUT, "'%s' does not exist", a->target.path);
	return status;
}

/* Another process replaced the target between the making of the content and the commit. */
static enum hf_status fail_overtaken(const struct hf_atomic *a, struct hf_err *err)
{
	errno = EEXIST;
	return hf_fail_errno_as(err, HF_BUSY, "'%s' was %s meanwhile", a->target.path,
				a->present ? "replaced" : "created");
}

/* ---- stage ---------------------------------------------------------------------------------- */

/* Check whether this content may be put in place. */
static enum hf_status check_result(struct hf_atomic *a, struct hf_err *err)
{
	const struct hf_atomic_options *o = a->options;
	enum hf_status status = HF_OK;
	struct stat st;

	if (o->validate)
		status = hf_validate(a->fd, o->validate, a->target.path, &a->validator, err);
	if (status != HF_OK)
		return status;
	if (sys_fstat(a->fd, &st) < 0)
		return fail_replace(a, err);
	if (st.st_size == 0 && !o->allow_empty) {
		hf_fail(err, HF_DATA, "refusing to %s '%s' %s", a->present ? "replace" : "create",
			a->target.path, a->present ? "by nothing" : "empty");
		hf_advise(err, "use --allow-empty if that is meant");
		return HF_DATA;
	}
	if (st.st_size >= LARGE && o->sync != HF_SYNC_NONE && hf_publish_fsync(a->fd) < 0)
		return fail_replace(a, err);
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
		status = fail_replace(a, err);
	else
		status = hf_copy_attributes(model, a->fd, &st, a->target.path, err);
	if (name[0])
		sys_unlinkat(a->target.dir, name, 0);
	sys_close(model);
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
	return r < 0 ? fail_replace(a, err) : HF_OK;
}

static bool syncs(const struct hf_atomic *a)
{
	return a->options->sync != HF_SYNC_NONE;
}

/* Set the attributes, then sync content and attributes, unless the sync comes after the naming
 * (atomic/A1). */
static enum hf_status finish_file(struct hf_atomic *a, struct hf_err *err)
{
	bool absent = !a->present || a->is_link;
	enum hf_status status = HF_OK;

	if (!absent)
		status = hf_copy_attributes(a->old, a->fd, &a->st, a->target.path, err);
	else if (!a->made_absent)
		status = set_absent_attributes(a, err);
	a->made_absent = absent;
	if (status == HF_OK && a->options->mode)
		status = set_mode(a, err);
	a->syncs_late = syncs(a) && !a->temporary[0] && hf_publish_syncs_late(a->fd);
	if (status == HF_OK && syncs(a) && !a->syncs_late && hf_publish_fsync(a->fd) < 0)
		status = fail_replace(a, err);
	return status;
}

/* ---- commit --------------------------------------------------------------------------------- */

static enum hf_status report_step(struct hf_atomic *a, enum hf_atomic_step which,
				  struct hf_err *err)
{
	return a->options->step ? a->options->step(a->options->step_context, which, err) : HF_OK;
}

static void remove_temporary(struct hf_atomic *a)
{
	if (a->temporary[0])
		sys_unlinkat(a->target.dir, a->temporary, 0);
	a->temporary[0] = '\0';
}

/* Give the new file its temporary name, and sync it if that is due only then. */
static enum hf_status give_temporary_name(struct hf_atomic *a, struct hf_err *err)
{
	const struct hf_atomic_options *o = a->options;
	enum hf_status status = hf_publish_name(&a->target, a->fd, o->side ? o->side : "tmp",
						o->step ? &a->number : NULL, a->temporary, err);

	if (status == HF_OK && a->syncs_late && hf_publish_fsync(a->fd) < 0)
		status = fail_replace(a, err);
	return status;
}

static enum hf_status replace_target(struct hf_atomic *a, struct hf_err *err)
{
	const struct hf_atomic_options *o = a->options;
	enum hf_status status = HF_OK;

	if (o->backup)
		status = hf_backup(&a->target, a->old, &a->st, o->backup, syncs(a), err);
	if (status == HF_OK)
		status = give_temporary_name(a, err);
	if (status != HF_OK)
		return status;
	status = report_step(a, HF_STEP_LINKED, err);
	if (status == HF_OK && a->early && !a->is_link)
		status = hf_publish_exchange(&a->target, a->fd, a->temporary, &a->st, err);
	else if (status == HF_OK)
		status = hf_publish_rename(&a->target, a->temporary, err);
	/* a name that the step wants to keep must not be removed by hf_atomic_end() either */
	if (status == HF_OK || report_step(a, HF_STEP_UNLINKING, NULL) != HF_OK)
		a->temporary[0] = '\0';
	return status;
}

/* If skip_same finds equal content, make the old file durable and set *done. */
static enum hf_status skip_if_same(struct hf_atomic *a, bool *done, struct hf_err *err)
{
	char litter[NAME_MAX + 1];
	enum hf_status status = HF_OK;

	*done = false;
	if (a->options->skip_same && a->old >= 0)
		status = hf_same_content(a->old, a->fd, done, a->target.path, err);
	if (status != HF_OK || !*done)
		return status;
	hf_tempfile_reap(&a->target, hf_target_side(&a->target, "tmp", litter));
	if (syncs(a) && hf_publish_fsync(a->old) < 0)
		return hf_fail_errno(err, "cannot sync '%s'", a->target.path);
	return HF_OK;
}

/* *again: another process has created the target, so there is a file to replace (atomic/A4). */
static enum hf_status create_target(struct hf_atomic *a, bool *again, struct hf_err *err)
{
	enum hf_status status = a->syncs_late ? give_temporary_name(a, err) : HF_OK;

	if (status != HF_OK)
		return status;
	status = hf_publish_create(&a->target, a->fd, a->temporary, err);
	if (status == HF_OK)
		a->temporary[0] = '\0';
	if (status == HF_NO && a->early)
		return fail_overtaken(a, err);
	*again = status == HF_NO;
	return *again ? HF_OK : status;
}

/* A move of the directory after this check is followed. */
static enum hf_status check_place(const struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status =
		HF_WITHOUT(atomic_place) ? HF_OK : hf_target_verify_path(&a->target, err);

	if (status != HF_NO)
		return status;
	hf_fail(err, HF_BUSY, "cannot replace '%s': its directory was moved or replaced",
		a->target.path);
	hf_advise(err, "nothing was done: try again");
	return HF_BUSY;
}

static enum hf_status commit_new_file(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = a->prepared ? HF_OK : check_result(a, err);
	bool again = status == HF_OK, same = false;

	while (again) {
		again = false;
		if (!a->early)
			status = acquire_target(a, false, err);
		if (status == HF_OK)
			status = skip_if_same(a, &same, err);
		if (status == HF_OK && !same && !a->prepared)
			status = finish_file(a, err);
		if (status == HF_OK && !same && !a->prepared)
			status = check_place(a, err);
		if (status == HF_OK && !same)
			status =
				a->present ? replace_target(a, err) : create_target(a, &again, err);
	}
	a->replaced = status == HF_OK && !same;
	if (status == HF_OK && a->options->sync == HF_SYNC_FULL)
		status = hf_publish_sync(&a->target, err);
	return status;
}

enum hf_status hf_atomic_prepare(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = check_result(a, err);

	if (status == HF_OK)
		status = finish_file(a, err);
	if (status == HF_OK)
		a->prepared = true;
	else
		hf_atomic_end(a);
	return status;
}

/* Close the target, which unlocks it. */
static void close_target(struct hf_atomic *a)
{
	int saved = errno;

	if (!a->borrowed && a->old >= 0)
		sys_close(a->old);
	if (!a->borrowed)
		hf_target_close(&a->target);
	a->old = a->target.dir = -1;
	errno = saved;
}

enum hf_status hf_atomic_commit(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = commit_new_file(a, err);

	if (status == HF_OK || status == HF_UNCERTAIN) {
		remove_temporary(a); /* if skip_same kept the target */
		if (!a->borrowed)    /* else the lender unlocks it */
			sys_flock(a->fd, LOCK_UN);
		close_target(a);
	} else {
		hf_atomic_end(a);
	}
	return status;
}

void hf_atomic_end(struct hf_atomic *a)
{
	int saved = errno;

	if (a->target.dir >= 0)
		remove_temporary(a);
	if (a->fd >= 0)
		sys_close(a->fd);
	a->fd = -1;
	close_target(a);
	errno = saved;
}
