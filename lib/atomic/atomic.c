/* SPDX-License-Identifier: ISC */
#include <holdfast/atomic.h>

#include <bsd/unistd.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "atomic/backup.h"
#include "atomic/publish.h"
#include "atomic/target_check.h"
#include "atomic/validate.h"
#include "base/attributes.h"
#include "base/copy.h"
#include "base/sys.h"
#include "base/tempfile.h"

/* A content of this size is written to the disk before the target is locked. */
enum { LARGE = 1024 * 1024 };

enum hf_atomic_state {
	BEGUN,	  /* the target is to be locked in the commit */
	LOCKED,	  /* it was locked, or found absent, before the content was made */
	PREPARED, /* and the new file is checked, has its attributes, and is synced */
	REPLACED, /* committed */
	KEPT,	  /* committed: the target has this content already (skip_same) */
	ABORTED,
};

struct hf_atomic {
	struct hf_target target;
	const struct hf_atomic_options *options;
	struct hf_target_rules rules;
	struct hf_target_claim claim;
	enum hf_atomic_state state;
	int fd;		  /* the new file; -1: not open */
	bool borrowed;	  /* target and claim.fd belong to the caller */
	bool made_absent; /* the new file has the attributes of one for an absent target */
	bool syncs_late;  /* to be synced when it has its temporary name (btrfs) */
	int validator;
	char temporary[NAME_MAX + 1];
	uint32_t number; /* with options->step: the number in that name */
};

static enum hf_status check_state(const struct hf_atomic *a, enum hf_atomic_state first,
				  enum hf_atomic_state last, const char *call, struct hf_err *err)
{
	if (a->state >= first && a->state <= last)
		return HF_OK;
	return hf_fail(err, HF_BUG, "cannot %s '%s': wrong order of calls", call, a->target.path);
}

static enum hf_status fail_replace(const struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = hf_fail_errno(
		err, "cannot %s '%s'", a->claim.present ? "replace" : "create", a->target.path);

	if (status == HF_IO && a->claim.present)
		hf_advise(err, "the old content is kept");
	return status;
}

/* ---- begin ---------------------------------------------------------------------------------- */

static enum hf_status make(struct hf_atomic **a, const char *path,
			   const struct hf_atomic_options *options, struct hf_err *err)
{
	*a = calloc(1, sizeof(**a));
	if (!*a)
		return hf_fail_errno(err, "cannot replace '%s'", path);
	(*a)->options = options;
	(*a)->rules = (struct hf_target_rules){.links = options->no_follow,
					       .hard_links = options->break_links,
					       .backup = options->backup,
					       .if_match = options->if_match};
	(*a)->fd = (*a)->claim.fd = (*a)->target.dir = -1;
	return HF_OK;
}

static enum hf_status check_mode(const char *mode, struct hf_err *err)
{
	void *set = mode ? setmode(mode) : NULL;

	if (mode && !set)
		return hf_fail(err, HF_USAGE, "'%s' is not a mode", mode);
	free(set);
	return HF_OK;
}

/* If the target is known already, check it. If not, its present state decides how the new file is
 * made, and it is checked again under its lock. */
static enum hf_status open_new_file(struct hf_atomic *a, struct hf_err *err)
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

/* Open the new file if the target is open, else give up. */
static enum hf_status finish_begin(struct hf_atomic **a, enum hf_status status, struct hf_err *err)
{
	if (status == HF_OK)
		status = open_new_file(*a, err);
	if (status != HF_OK) {
		hf_atomic_end(*a);
		*a = NULL;
	}
	return status;
}

enum hf_status hf_atomic_begin(struct hf_atomic **a, const char *path,
			       const struct hf_atomic_options *options, struct hf_err *err)
{
	enum hf_status status = make(a, path, options, err);

	if (status == HF_OK)
		status = hf_target_open(
			&(*a)->target, path,
			(options->no_follow ? HF_TARGET_NO_FOLLOW : 0) |
				(options->parents ? HF_TARGET_PARENTS : 0) |
				(options->sync != HF_SYNC_FULL ? HF_TARGET_NO_SYNC : 0),
			err);
	return finish_begin(a, status, err);
}

enum hf_status hf_atomic_begin_at(struct hf_atomic **a, const struct hf_target *target, int old,
				  const struct stat *st, const struct hf_atomic_options *options,
				  struct hf_err *err)
{
	enum hf_status status = make(a, target->path, options, err);

	if (status == HF_OK) {
		(*a)->state = LOCKED;
		(*a)->borrowed = true;
		(*a)->target = *target;
		(*a)->claim.fd = old;
		(*a)->claim.present = old >= 0;
		if (st)
			(*a)->claim.st = *st;
	}
	return finish_begin(a, status, err);
}

/* ---- lock ----------------------------------------------------------------------------------- */

static enum hf_status claim_target(struct hf_atomic *a, struct hf_err *err)
{
	return hf_target_claim(&a->claim, &a->target, &a->rules, &a->options->wait, err);
}

enum hf_status hf_atomic_lock(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = check_state(a, BEGUN, BEGUN, "lock", err);

	if (status != HF_OK)
		return status;
	a->rules.keeps_old = true;
	status = claim_target(a, err);
	if (status != HF_OK)
		return status;
	a->state = LOCKED;
	return a->claim.present ? HF_OK
				: hf_fail(err, HF_NOINPUT, "'%s' does not exist", a->target.path);
}

/* ---- prepare -------------------------------------------------------------------------------- */

static bool syncs(const struct hf_atomic *a)
{
	return a->options->sync != HF_SYNC_NONE;
}

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
		hf_fail(err, HF_DATA, "refusing to %s '%s': the new content is empty",
			a->claim.present ? "replace" : "create", a->target.path);
		hf_advise(err, "use --allow-empty to accept it");
		return HF_DATA;
	}
	if (st.st_size >= LARGE && syncs(a) && hf_publish_fsync(a->fd) < 0)
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
	return r < 0 ? fail_replace(a, err) : HF_OK;
}

/* Set the attributes, then sync content and attributes, unless the sync comes after the naming
 * (atomic/A1). */
static enum hf_status finish_file(struct hf_atomic *a, struct hf_err *err)
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
	a->syncs_late = syncs(a) && !a->temporary[0] && hf_publish_syncs_late(a->fd);
	if (status == HF_OK && syncs(a) && !a->syncs_late && hf_publish_fsync(a->fd) < 0)
		status = fail_replace(a, err);
	return status;
}

/* ---- commit --------------------------------------------------------------------------------- */

static enum hf_status report_step(struct hf_atomic *a, enum hf_atomic_step which,
				  struct hf_err *err)
{
	return a->options->step ? a->options->step(a->options->step_context, which, a->number, err)
				: HF_OK;
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
		status = hf_backup(&a->target, a->claim.fd, &a->claim.st, o->backup, syncs(a), err);
	if (status == HF_OK)
		status = give_temporary_name(a, err);
	if (status != HF_OK)
		return status;
	status = report_step(a, HF_STEP_LINKED, err);
	if (status == HF_OK && a->state != BEGUN && !a->claim.is_link)
		status = hf_publish_exchange(&a->target, a->fd, a->temporary, &a->claim.st, err);
	else if (status == HF_OK)
		status = hf_publish_rename(&a->target, a->temporary, err);
	/* a name that the step wants to keep must not be removed by hf_atomic_end() either */
	if (status == HF_OK || report_step(a, HF_STEP_UNLINKING, NULL) != HF_OK)
		a->temporary[0] = '\0';
	return status;
}

/* If skip_same finds equal content, make the old file durable, and set state KEPT. */
static enum hf_status check_same(struct hf_atomic *a, struct hf_err *err)
{
	char leftover[NAME_MAX + 1];
	enum hf_status status = HF_OK;
	bool same = false;

	if (a->options->skip_same && a->claim.fd >= 0)
		status = hf_same_content(a->claim.fd, a->fd, &same, a->target.path, err);
	if (status != HF_OK || !same)
		return status;
	hf_tempfile_reap(&a->target, hf_target_side(&a->target, "tmp", leftover));
	if (syncs(a) && hf_publish_fsync(a->claim.fd) < 0)
		return hf_fail_errno(err, "cannot sync '%s'", a->target.path);
	a->state = KEPT;
	return HF_OK;
}

/* HF_NO: another process has created the target, so there is a file to replace (atomic/A4). */
static enum hf_status create_target(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = a->syncs_late ? give_temporary_name(a, err) : HF_OK;

	if (status == HF_OK)
		status = hf_publish_create(&a->target, a->fd, a->temporary, err);
	if (status == HF_OK)
		a->temporary[0] = '\0';
	if (status != HF_NO || a->state == BEGUN)
		return status;
	errno = EEXIST;
	return hf_fail_errno_as(err, HF_BUSY, "'%s' was created in the meantime", a->target.path);
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

/* From the locked target on. HF_NO: as create_target(). */
static enum hf_status publish_file(struct hf_atomic *a, struct hf_err *err)
{
	bool prepared = a->state == PREPARED;
	enum hf_status status = check_same(a, err);

	if (status != HF_OK || a->state == KEPT)
		return status;
	if (!prepared)
		status = finish_file(a, err);
	if (status == HF_OK && !prepared)
		status = check_place(a, err);
	if (status != HF_OK)
		return status;
	status = a->claim.present ? replace_target(a, err) : create_target(a, err);
	if (status == HF_OK)
		a->state = REPLACED;
	return status;
}

static enum hf_status commit_new_file(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = a->state == PREPARED ? HF_OK : check_result(a, err);
	bool again = status == HF_OK;

	while (again) {
		status = a->state == BEGUN ? claim_target(a, err) : HF_OK;
		again = false;
		if (status == HF_OK) {
			status = publish_file(a, err);
			again = status == HF_NO;
		}
	}
	if (status == HF_OK && a->options->sync == HF_SYNC_FULL)
		status = hf_publish_sync(&a->target, err);
	return status;
}

/* Close the target, which unlocks it. */
static void close_target(struct hf_atomic *a)
{
	if (!a->borrowed) {
		hf_close(a->claim.fd);
		hf_target_close(&a->target);
	}
	a->claim.fd = a->target.dir = -1;
}

/* Remove the temporary name, and close everything. Keep errno. */
static void abort_transaction(struct hf_atomic *a)
{
	int saved = errno;

	if (a->target.dir >= 0)
		remove_temporary(a);
	hf_close(a->fd);
	a->fd = -1;
	close_target(a);
	a->state = ABORTED;
	errno = saved;
}

enum hf_status hf_atomic_prepare(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = check_state(a, LOCKED, LOCKED, "prepare", err);

	if (status != HF_OK)
		return status;
	status = check_result(a, err);
	if (status == HF_OK)
		status = finish_file(a, err);
	if (status == HF_OK)
		a->state = PREPARED;
	else
		abort_transaction(a);
	return status;
}

enum hf_status hf_atomic_commit(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status = check_state(a, BEGUN, PREPARED, "commit", err);

	if (status != HF_OK)
		return status;
	status = commit_new_file(a, err);
	if (status != HF_OK && status != HF_UNCERTAIN) {
		abort_transaction(a);
		return status;
	}
	remove_temporary(a); /* if skip_same kept the target */
	if (!a->borrowed)    /* else the lender unlocks it */
		sys_flock(a->fd, LOCK_UN);
	close_target(a);
	return status;
}

void hf_atomic_end(struct hf_atomic *a)
{
	int saved = errno;

	if (a)
		abort_transaction(a);
	free(a);
	errno = saved;
}

/* ---- what a caller may ask ------------------------------------------------------------------- */

int hf_atomic_fd(const struct hf_atomic *a)
{
	return a->fd;
}

const struct hf_target *hf_atomic_target(const struct hf_atomic *a)
{
	return &a->target;
}

int hf_atomic_old(const struct hf_atomic *a, struct stat *st)
{
	if (st)
		*st = a->claim.st;
	return a->claim.fd;
}

bool hf_atomic_present(const struct hf_atomic *a)
{
	return a->claim.present;
}

bool hf_atomic_replaced(const struct hf_atomic *a)
{
	return a->state == REPLACED;
}

int hf_atomic_validator(const struct hf_atomic *a)
{
	return a->validator;
}

char *hf_atomic_temporary(struct hf_atomic *a)
{
	return a->temporary;
}
