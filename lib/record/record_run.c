/* SPDX-License-Identifier: ISC */
#include "record/record_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "record/commit_point.h"
#include "record/record_mark.h"
#include "record/record_stage.h"
#include <holdfast/clock.h>

/* Attempts after the deadline, for records that dead processes left. */
enum { MAX_LATE = 10 };

void hf_record_run_begin(struct hf_record_run *r, const struct hf_record_request *request,
			 struct hf_record_result *result)
{
	*r = (struct hf_record_run){.request = request, .result = result, .state = HF_RECORD_READY};
	*result = (struct hf_record_result){0};
	r->hold = (struct hf_record_locks){.database = request->database,
					   .no_foreign_keys = request->no_foreign_keys,
					   .create = true,
					   .wait = request->wait,
					   .backoff = request->backoff,
					   .report = request->report,
					   .report_context = request->report_context};
	r->recovery = (struct hf_recovery){.hold = &r->hold};
	r->redo = (struct hf_redo){.hold = &r->hold, .intent = &r->intent};
}

void hf_record_run_end(struct hf_record_run *r)
{
	hf_record_git_end(&r->redo.git);
	for (size_t i = 0; i < r->intent.file_count; i++)
		hf_record_file_close(&r->redo.files[i]);
	hf_record_locks_end(&r->hold);
	hf_recovery_end(&r->recovery);
	free(r->redo.files);
	hf_intent_free(&r->intent);
}

/* Set the plan's path: in the tree, or absolute. */
static enum hf_status set_plan_path(struct hf_record_run *r, struct hf_record_file *f,
				    struct hf_err *err)
{
	char *real = NULL;
	enum hf_status status = hf_record_file_real(f, &real, err);

	if (status != HF_OK || !r->redo.repo) {
		f->plan->path = real;
		return status;
	}
	status = hf_repo_path(r->redo.repo, real, &f->plan->path, err);
	free(real);
	return status;
}

/* Find out where the open file is, share its directory, and add its lock. */
enum hf_status hf_record_run_add_file(struct hf_record_run *r, size_t i, struct hf_err *err)
{
	struct hf_record_file *f = &r->redo.files[i];
	enum hf_status status = set_plan_path(r, f, err);

	for (size_t k = 0; k < i && status == HF_OK; k++) {
		if (!hf_record_file_same(f, &r->redo.files[k]))
			continue;
		status = hf_fail(err, HF_USAGE, "'%s' is named twice", f->path);
		hf_advise(err, "combine the changes to it");
	}
	if (status != HF_OK)
		return status;
	hf_record_file_share(f, r->redo.files, i);
	return hf_record_locks_add_file(&r->hold, f, err);
}

/* ---- lock, recover --------------------------------------------------------------------------- */

/* Open the directories that the paths lead to now. Recovery opens its own files itself. */
static enum hf_status reopen_files(struct hf_record_run *r, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	hf_record_locks_drop_files(&r->hold);
	hf_recovery_forget(&r->recovery);
	/* together, since they share descriptors of directories */
	for (size_t i = 0; i < r->intent.file_count; i++) {
		hf_record_file_close(&r->redo.files[i]);
		free(r->intent.files[i].path);
		r->intent.files[i].path = NULL;
	}
	for (size_t i = 0; i < r->intent.file_count && status == HF_OK; i++) {
		struct hf_record_file *f = &r->redo.files[i];

		status = hf_record_file_open(f, &r->hold.place, r->request->parents, err);
		if (status == HF_CANTCREAT && (err->errnum == ENOENT || err->errnum == ENOTDIR))
			status =
				hf_fail(err, HF_BUSY, "the directory of '%s' was removed", f->path);
		if (status == HF_OK)
			status = hf_record_run_add_file(r, i, err);
	}
	if (status == HF_OK)
		r->state = HF_RECORD_READY;
	return status;
}

/* Go back to this state. Each time another process made progress, but this must end. */
static enum hf_status start_again(struct hf_record_run *r, enum hf_record_state state,
				  struct hf_err *err)
{
	hf_record_locks_release(&r->hold);
	r->state = state;
	if (hf_time_left(r->hold.wait.deadline) > 0 || r->late++ < MAX_LATE)
		return HF_OK;
	return hf_fail(err, HF_BUSY,
		       "cannot record in '%s': other processes keep changing its files",
		       r->hold.database);
}

/* Acquire everything, and finish unfinished records, until there is a transaction without any. */
static enum hf_status acquire_and_recover(struct hf_record_run *r, struct hf_err *err)
{
	enum hf_status status = hf_record_locks_acquire(&r->hold, err);

	if (status == HF_OK) {
		status = hf_record_locks_check(&r->hold, err);
		if (status == HF_NO)
			return start_again(r, HF_RECORD_MOVED, err);
	}
	if (status == HF_OK)
		status = hf_record_recover_all(&r->recovery, err);
	if (status == HF_NO)
		return start_again(r, HF_RECORD_READY, err);
	if (status == HF_OK)
		r->state = HF_RECORD_LOCKED;
	return status;
}

/* ---- run, stage ------------------------------------------------------------------------------ */

static enum hf_status run_sql(struct hf_record_run *r, struct hf_err *err)
{
	const struct hf_record_request *request = r->request;
	enum hf_status status = HF_OK;

	if (request->sql)
		status = request->sql(request->sql_context, r->hold.db, err);
	r->result->rowid = hf_sqlite_last_rowid(hf_db_sql(r->hold.db));
	if (status == HF_OK && !hf_db_in_transaction(r->hold.db)) {
		hf_fail(err, HF_DATA, "cannot record in '%s': the SQL has ended the transaction",
			request->database);
		hf_advise(err, "omit COMMIT and ROLLBACK: all of it is one transaction");
		status = HF_DATA;
	}
	return status;
}

/* HF_NO: the branch that was read is not checked out any more. */
static enum hf_status check_head(struct hf_record_run *r, struct hf_err *err)
{
	char *ref = NULL;
	enum hf_status status = hf_repo_branch(r->redo.repo, &ref, err);

	if (status == HF_OK && strcmp(ref, r->intent.ref) != 0 && !HF_WITHOUT(switched))
		status = HF_NO;
	free(ref);
	return status;
}

/* Run the user's programs with nothing held, and start again. */
static enum hf_status run_programs(struct hf_record_run *r, struct hf_err *err)
{
	enum hf_status status;

	hf_record_unstage(&r->redo);
	status = start_again(r, HF_RECORD_READY, err);
	return status == HF_OK ? hf_repo_run_programs(r->redo.repo, err) : status;
}

/* Do all until the COMMIT; or start again, since a path now leads elsewhere, an absent file exists,
 * the branch is switched, or a program of the user's had to run. */
static enum hf_status run_and_stage(struct hf_record_run *r, struct hf_err *err)
{
	enum hf_status status = run_sql(r, err), check;

	if (status == HF_OK && r->intent.file_count)
		status = hf_intent_prepare(r->hold.db, err);
	if (status == HF_OK)
		status = hf_record_stage(&r->redo, err);
	if (status == HF_NO && r->redo.repo && hf_repo_awaits_program(r->redo.repo))
		return run_programs(r, err);
	/* a removed directory can be the cause of a failure too */
	check = hf_record_locks_check(&r->hold, status == HF_OK ? err : NULL);
	if (check == HF_OK && status == HF_OK && r->redo.repo)
		check = check_head(r, err);
	if (r->redo.switched && hf_time_left(r->hold.wait.deadline) > 0)
		check = HF_NO;
	if (check == HF_NO) {
		hf_record_unstage(&r->redo);
		if (r->redo.switched)
			hf_backoff_sleep(&r->hold.pause);
		return start_again(r, HF_RECORD_MOVED, err);
	}
	if (status == HF_OK && check == HF_OK)
		r->state = HF_RECORD_STAGED;
	return status == HF_OK ? check : status;
}

/* ---- COMMIT ---------------------------------------------------------------------------------- */

/* From here on an intent may name a mark. */
static void keep_marks(struct hf_record_run *r, bool kept)
{
	for (size_t i = 0; i < r->intent.file_count; i++)
		r->redo.files[i].kept = kept;
}

static enum hf_status commit_record(struct hf_record_run *r, struct hf_err *err)
{
	enum hf_status status;

	keep_marks(r, true);
	status = hf_commit_point(&r->hold, &r->intent, err);
	if (status == HF_OK)
		r->state = HF_RECORD_COMMITTED;
	else if (status != HF_UNKNOWN)
		keep_marks(r, false);
	r->result->recorded = status == HF_OK;
	return status;
}

/* ---- redo, forget ---------------------------------------------------------------------------- */

static enum hf_status delete_intent(struct hf_record_run *r, struct hf_err *err)
{
	/* record/R4 */
	enum hf_status status = hf_record_locks_begin(&r->hold, !r->redo.repo, err);

	if (status == HF_OK)
		status = hf_intent_delete(r->hold.db, r->intent.id, err);
	return status == HF_OK ? hf_db_commit(r->hold.db, err) : status;
}

static enum hf_status fail_unfinished(const struct hf_record_run *r, struct hf_err *err)
{
	const struct hf_record_request *request = r->request;
	const struct hf_err why = *err;

	hf_fail(err, HF_UNCERTAIN, "recorded, but not finished: %s", why.message);
	err->errnum = why.errnum;
	strcpy(err->advice, why.advice);
	hf_advise(err,
		  "the next record in '%s' finishes it, or: atomic-record --recover --sqlite "
		  "'%s'",
		  request->database, request->database);
	return HF_UNCERTAIN;
}

/* Stage again, with the snapshot. The first staging has shown that it is possible. */
static enum hf_status finish_as_recovery(struct hf_record_run *r, struct hf_err *err)
{
	enum hf_status status = hf_record_locks_begin(&r->hold, true, err);

	for (size_t i = 0; i < r->intent.file_count; i++)
		hf_record_file_unstage(&r->redo.files[i]);
	if (status == HF_OK)
		status = hf_redo_found(&r->redo, err);
	return status == HF_OK ? hf_db_commit(r->hold.db, err) : status;
}

/* Another process created, replaced or moved a file without its lock. Release all locks, acquire
 * them again, and finish as recovery does (record/R10). */
static enum hf_status finish_again(struct hf_record_run *r, struct hf_err *err)
{
	enum hf_status status;

	hf_record_git_end(&r->redo.git);
	for (size_t i = 0; i < r->intent.file_count; i++)
		hf_record_file_unstage(&r->redo.files[i]);
	hf_record_locks_release(&r->hold);
	hf_record_locks_drop_files(&r->hold);
	r->recovery.own = r->intent.id;
	r->state = HF_RECORD_READY;
	status = hf_record_run_advance(r, HF_RECORD_LOCKED, err);
	if (status == HF_OK && r->recovery.own_left)
		status = hf_fail(err, HF_BUSY, "another process changed a file during the record");
	memcpy(r->redo.commit, r->recovery.own_commit, sizeof(r->redo.commit));
	r->redo.stays = r->recovery.own_stays;
	return status;
}

static enum hf_status finish_staged(struct hf_record_run *r, struct hf_err *err)
{
	struct hf_err own;
	enum hf_status status = hf_redo(&r->redo, err);

	if (status != HF_OK || !r->redo.repo)
		return status == HF_OK ? delete_intent(r, err) : status;
	/* With a commit the record is done, whichever process deletes the intent. If the database
	 * is busy or the disk full, the next run deletes it. */
	delete_intent(r, &own);
	return HF_OK;
}

static bool is_overtaken(enum hf_status status, const struct hf_err *err)
{
	return status == HF_BUSY && err->errnum == EEXIST && !HF_WITHOUT(again);
}

static enum hf_status finish_record(struct hf_record_run *r, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	if (r->intent.file_count)
		status = hf_record_has_snapshot(&r->intent) ? finish_as_recovery(r, err)
							    : finish_staged(r, err);
	if (is_overtaken(status, err))
		status = finish_again(r, err);
	if (status != HF_OK)
		return fail_unfinished(r, err);
	r->state = HF_RECORD_DONE;
	memcpy(r->result->commit, r->redo.commit, sizeof(r->result->commit));
	if (!r->redo.stays)
		return HF_OK;
	return hf_fail(err, HF_UNCERTAIN,
		       "recorded, but a file was changed by another process, and is kept");
}

/* Go from state to state. Before LOCKED nothing is held, and the wait goes on to the deadline. */
enum hf_status hf_record_run_advance(struct hf_record_run *r, enum hf_record_state end,
				     struct hf_err *err)
{
	static enum hf_status (*const steps[])(struct hf_record_run *, struct hf_err *) = {
		[HF_RECORD_MOVED] = reopen_files,      [HF_RECORD_READY] = acquire_and_recover,
		[HF_RECORD_LOCKED] = run_and_stage,    [HF_RECORD_STAGED] = commit_record,
		[HF_RECORD_COMMITTED] = finish_record,
	};
	enum hf_status status = HF_OK;

	while (status == HF_OK && r->state < end) {
		status = steps[r->state](r, err);
		if (status == HF_BUSY && r->state < HF_RECORD_LOCKED &&
		    hf_time_left(r->hold.wait.deadline) > 0) {
			hf_record_locks_release(&r->hold);
			hf_backoff_sleep(&r->hold.pause);
			status = HF_OK;
		}
	}
	return status;
}
