/* SPDX-License-Identifier: ISC */
#include <holdfast/atomic.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "atomic/backup.h"
#include "atomic/new_file.h"
#include "atomic/publish.h"
#include "atomic/target_check.h"
#include "base/copy.h"
#include "base/sys.h"
#include "base/tempfile.h"

static enum hf_status check_state(const struct hf_atomic *a, enum hf_atomic_state first,
				  enum hf_atomic_state last, const char *call, struct hf_err *err)
{
	if (a->state >= first && a->state <= last)
		return HF_OK;
	return hf_fail(err, HF_BUG, "cannot %s '%s': wrong order of calls", call, a->target.path);
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

/* Open the new file if the target is open, else give up. */
static enum hf_status finish_begin(struct hf_atomic **a, enum hf_status status, struct hf_err *err)
{
	if (status == HF_OK)
		status = hf_new_file_open(*a, err);
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
		status = hf_new_file_fail(a, err);
	return status;
}

static enum hf_status replace_target(struct hf_atomic *a, struct hf_err *err)
{
	const struct hf_atomic_options *o = a->options;
	enum hf_status status = HF_OK;

	if (o->backup)
		status = hf_backup(&a->target, a->claim.fd, &a->claim.st, o->backup,
				   hf_new_file_syncs(a), err);
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
	if (hf_new_file_syncs(a) && hf_publish_fsync(a->claim.fd) < 0)
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
		status = hf_new_file_finish(a, err);
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
	enum hf_status status = a->state == PREPARED ? HF_OK : hf_new_file_check(a, err);
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
	status = hf_new_file_check(a, err);
	if (status == HF_OK)
		status = hf_new_file_finish(a, err);
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
