/* SPDX-License-Identifier: ISC */
#include "record/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <holdfast/clock.h>
#include "record/commit_point.h"
#include "record/record_drop.h"
#include "record/record_stage.h"
#include "record/recovery.h"
#include "record/redo.h"
#include "base/spawn.h"
#include "base/sys.h"

/* Attempts after the deadline, for records that dead processes left. */
enum { MAX_LATE = 10 };

struct record {
	const struct hf_record_request *request;
	struct hf_record_result *result;
	struct hf_record_locks hold;
	struct hf_recovery recovery;
	struct hf_intent intent;
	struct hf_repo *repo; /* the hold's; NULL: none */
	struct hf_record_file *files;
	bool moved; /* files must be opened again */
	int late;   /* attempts after the deadline */
	struct hf_redo redo;
};

/* ---- check: refuse what can be refused before anything is taken -------------------------------
 */

static enum hf_status fail_no_memory(struct hf_err *err)
{
	return hf_fail(err, HF_OS, "cannot record: out of memory");
}

static enum hf_status open_repo(struct record *r, struct hf_err *err)
{
	const struct hf_record_request *request = r->request;
	struct hf_intent *intent = &r->intent;
	struct hf_repo *repo;
	const char *id;
	enum hf_status status = hf_repo_open(&repo, request->repository, err);

	if (status == HF_OK)
		status = hf_record_locks_add_repo(&r->hold, repo, true, err);
	if (status != HF_OK)
		return status;
	r->repo = repo;
	status = hf_repo_check(repo, &intent->author, &intent->committer, err);
	if (status == HF_OK)
		status = hf_record_git_message(request->message, intent->id, &intent->message, err);
	if (status == HF_OK)
		status = hf_repo_id(repo, &id, err);
	if (status != HF_OK)
		return status;
	intent->repository = strdup(id);
	intent->gitdir = strdup(hf_repo_gitdir(repo));
	return intent->repository && intent->gitdir ? HF_OK : fail_no_memory(err);
}

/* Set the plan's path: in the tree, or absolute. */
static enum hf_status set_plan_path(struct record *r, struct hf_record_file *f, struct hf_err *err)
{
	char *real = NULL;
	enum hf_status status = hf_record_file_real(f, &real, err);

	if (status != HF_OK || !r->repo) {
		f->plan->path = real;
		return status;
	}
	status = hf_repo_path(r->repo, real, &f->plan->path, err);
	free(real);
	return status;
}

static mode_t current_umask(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return mask;
}

static enum hf_status fail_named_twice(const struct hf_record_file *f, struct hf_err *err)
{
	hf_fail(err, HF_USAGE, "'%s' is named twice", f->path);
	hf_advise(err, "put together what is to become of it");
	return HF_USAGE;
}

static enum hf_status check_file(struct record *r, size_t i, struct hf_err *err)
{
	const struct hf_record_spec *want = &r->request->files[i];
	struct hf_record_file *f = &r->files[i];
	enum hf_status status;

	f->plan->op = want->op;
	f->plan->content = want->content;
	f->plan->size = want->size;
	f->plan->mode = 0666 & ~current_umask();
	f->if_match = want->if_match;
	f->later = true;
	status = hf_record_file_open(f, &r->hold.place, r->request->parents, err);
	if (status == HF_OK)
		status = set_plan_path(r, f, err);
	for (size_t k = 0; k < i && status == HF_OK; k++)
		if (hf_record_file_same(f, &r->files[k]))
			status = fail_named_twice(f, err);
	if (status == HF_OK)
		hf_record_file_share(f, r->files, i);
	return status == HF_OK ? hf_record_locks_add_file(&r->hold, f, err) : status;
}

/* Descriptors: for each file one of the file and one of the staged content; some have a directory
 * of their own. */
enum { PER_FILE = 4, BESIDE = 128 };

static enum hf_status check_request(struct record *r, struct hf_err *err)
{
	const struct hf_record_request *request = r->request;
	size_t count = request->file_count;
	enum hf_status status = HF_OK;

	hf_intent_name(r->intent.id);
	memcpy(r->result->id, r->intent.id, sizeof(r->result->id));
	r->intent.uid = geteuid();
	r->intent.created = time(NULL);
	r->hold.word = r->intent.id;
	r->files = calloc(count + 1, sizeof(*r->files));
	r->intent.files = calloc(count + 1, sizeof(*r->intent.files));
	if (!r->files || !r->intent.files)
		return fail_no_memory(err);
	r->intent.file_count = count;
	for (size_t i = 0; i < count; i++)
		r->files[i] = (struct hf_record_file){.plan = &r->intent.files[i],
						      .path = request->files[i].path,
						      .fd = -1,
						      .committed = -1,
						      .target.dir = -1};
	if (!HF_WITHOUT(descriptors))
		hf_raise_limit(count * PER_FILE + BESIDE);
	status = hf_record_locks_init(&r->hold, err);
	if (status == HF_OK && request->repository)
		status = open_repo(r, err);
	for (size_t i = 0; i < count && status == HF_OK; i++)
		status = check_file(r, i, err);
	r->redo = (struct hf_redo){
		.hold = &r->hold, .intent = &r->intent, .files = r->files, .repo = r->repo};
	return status;
}

/* ---- lock, recover --------------------------------------------------------------------------- */

static enum hf_status reopen_file(struct record *r, size_t i, struct hf_err *err)
{
	struct hf_record_file *f = &r->files[i];
	enum hf_status status = hf_record_file_open_again(f, &r->hold.place, err);

	free(f->plan->path);
	f->plan->path = NULL;
	if (status == HF_OK)
		status = set_plan_path(r, f, err);
	for (size_t k = 0; k < i && status == HF_OK; k++)
		if (hf_record_file_same(f, &r->files[k]))
			status = fail_named_twice(f, err);
	if (status == HF_OK)
		hf_record_file_share(f, r->files, i);
	return status;
}

/* Open the directories that the paths lead to now. Recovery opens its own files itself. */
static enum hf_status reopen_files(struct record *r, struct hf_err *err)
{
	enum hf_status status = HF_OK;
	bool moved = false;

	hf_record_locks_release(&r->hold);
	hf_record_locks_drop_files(&r->hold);
	hf_recovery_forget(&r->recovery);
	for (size_t i = 0; i < r->intent.file_count && !moved; i++)
		moved = hf_record_file_check_place(&r->files[i], NULL) != HF_OK;
	/* together, since they share descriptors of directories */
	for (size_t i = 0; i < r->intent.file_count && moved; i++)
		hf_record_file_close(&r->files[i]);
	for (size_t i = 0; i < r->intent.file_count && status == HF_OK; i++) {
		if (moved)
			status = reopen_file(r, i, err);
		if (status == HF_OK)
			status = hf_record_locks_add_file(&r->hold, &r->files[i], err);
	}
	r->moved = status != HF_OK;
	return status;
}

static enum hf_status try_acquire_and_recover(struct record *r, struct hf_err *err)
{
	enum hf_status status = r->moved ? reopen_files(r, err) : HF_OK;

	if (status == HF_OK)
		status = hf_record_locks_acquire(&r->hold, err);
	if (status == HF_OK) {
		status = hf_record_locks_check(&r->hold, err);
		r->moved = status == HF_NO;
	}
	return status == HF_OK ? hf_record_recover_all(&r->recovery, err) : status;
}

/* Return HF_OK if another attempt is allowed. Each one means that another process made progress,
 * but this must end. */
static enum hf_status may_start_again(struct record *r, struct hf_err *err)
{
	if (hf_time_left(r->hold.wait.deadline) > 0 || r->late++ < MAX_LATE)
		return HF_OK;
	return hf_fail(err, HF_BUSY, "cannot record in '%s': others change its files all the time",
		       r->hold.database);
}

/* Acquire everything and finish unfinished records, until there is a transaction without any. */
static enum hf_status acquire_and_recover(struct record *r, struct hf_err *err)
{
	for (;;) {
		enum hf_status status = try_acquire_and_recover(r, err);

		if (status == HF_NO && may_start_again(r, err) == HF_OK)
			continue;
		if (status == HF_NO)
			return HF_BUSY;
		if (status != HF_BUSY || hf_time_left(r->hold.wait.deadline) == 0)
			return status;
		hf_record_locks_release(&r->hold);
		hf_backoff_sleep(&r->hold.pause);
	}
}

/* ---- run, stage ------------------------------------------------------------------------------ */

static enum hf_status run_sql(struct record *r, struct hf_err *err)
{
	const struct hf_record_request *request = r->request;
	enum hf_status status = HF_OK;

	if (request->sql)
		status = request->sql(request->sql_context, r->hold.db, err);
	r->result->rowid = hf_sqlite_last_rowid(hf_db_sql(r->hold.db));
	if (status == HF_OK && !hf_db_in_transaction(r->hold.db)) {
		hf_fail(err, HF_DATA, "cannot record in '%s': the SQL has ended the transaction",
			request->database);
		hf_advise(err, "leave COMMIT and ROLLBACK out: all of it is one transaction");
		status = HF_DATA;
	}
	return status;
}

/* HF_NO: the branch that was read is not checked out any more. */
static enum hf_status check_head(struct record *r, struct hf_err *err)
{
	char *ref = NULL;
	enum hf_status status = hf_repo_branch(r->repo, &ref, err);

	if (status == HF_OK && strcmp(ref, r->intent.ref) != 0 && !HF_WITHOUT(switched))
		status = HF_NO;
	free(ref);
	return status;
}

/* Release everything that was taken and made, to start again. */
static void give_back(struct record *r)
{
	hf_record_unstage(&r->redo);
	hf_db_rollback(r->hold.db);
	hf_record_locks_release(&r->hold);
}

/* Run the user's programs with nothing held, then start again: HF_NO. */
static enum hf_status run_programs(struct record *r, struct hf_err *err)
{
	enum hf_status status;

	give_back(r);
	status = hf_repo_run_programs(r->repo, r->hold.wait.deadline, err);
	if (status == HF_OK)
		status = may_start_again(r, err);
	return status == HF_OK ? HF_NO : status;
}

/* Do all until the COMMIT. HF_NO, with *moved: a path now leads elsewhere, or an absent file
 * exists, or a program of the user's has run: start again. */
static enum hf_status prepare_commit(struct record *r, bool *moved, struct hf_err *err)
{
	enum hf_status status = acquire_and_recover(r, err), check;

	*moved = false;
	if (status != HF_OK)
		return status;
	status = run_sql(r, err);
	if (status == HF_OK && r->intent.file_count)
		status = hf_intent_prepare(r->hold.db, err);
	if (status == HF_OK)
		status = hf_record_stage(&r->redo, err);
	if (status == HF_NO && r->repo && hf_repo_awaits_program(r->repo)) {
		*moved = true;
		return run_programs(r, err);
	}
	/* a removed directory can be the cause of a failure too */
	check = hf_record_locks_check(&r->hold, status == HF_OK ? err : NULL);
	if (check == HF_OK && status == HF_OK && r->repo)
		check = check_head(r, err);
	if (r->redo.switched && hf_time_left(r->hold.wait.deadline) > 0)
		check = HF_NO;
	if (check != HF_NO)
		return status == HF_OK ? check : status;
	give_back(r);
	if (r->redo.switched)
		hf_backoff_sleep(&r->hold.pause);
	*moved = r->moved = true;
	return may_start_again(r, err) == HF_OK ? HF_NO : HF_BUSY;
}

/* ---- COMMIT ---------------------------------------------------------------------------------- */

/* From here on an intent may name a mark. */
static void keep_marks(struct record *r, bool kept)
{
	for (size_t i = 0; i < r->intent.file_count; i++)
		r->files[i].kept = kept;
}

static enum hf_status commit_record(struct record *r, struct hf_err *err)
{
	enum hf_status status;

	keep_marks(r, true);
	status = hf_commit_point(&r->hold, &r->intent, err);
	r->result->recorded = status == HF_OK;
	if (status != HF_OK && status != HF_UNKNOWN)
		keep_marks(r, false);
	return status;
}

/* ---- redo, forget ---------------------------------------------------------------------------- */

static enum hf_status delete_intent(struct record *r, struct hf_err *err)
{
	/* record/R4 */
	enum hf_status status = hf_record_locks_begin(&r->hold, !r->repo, err);

	if (status == HF_OK)
		status = hf_intent_delete(r->hold.db, r->intent.id, err);
	return status == HF_OK ? hf_db_commit(r->hold.db, err) : status;
}

static enum hf_status fail_unfinished(const struct record *r, struct hf_err *err)
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
static enum hf_status finish_as_recovery(struct record *r, struct hf_err *err)
{
	enum hf_status status = hf_record_locks_begin(&r->hold, true, err);

	for (size_t i = 0; i < r->intent.file_count; i++)
		hf_record_file_unstage(&r->files[i]);
	if (status == HF_OK)
		status = hf_redo_found(&r->redo, err);
	return status == HF_OK ? hf_db_commit(r->hold.db, err) : status;
}

/* Another process created, replaced or moved a file without its lock. Release all locks, acquire
 * them again, and finish as recovery does (record/R10). */
static enum hf_status finish_again(struct record *r, struct hf_err *err)
{
	enum hf_status status;

	hf_record_git_end(&r->redo.git);
	for (size_t i = 0; i < r->intent.file_count; i++)
		hf_record_file_unstage(&r->files[i]);
	hf_record_locks_release(&r->hold);
	hf_record_locks_drop_files(&r->hold);
	r->recovery.own = r->intent.id;
	status = acquire_and_recover(r, err);
	if (status == HF_OK && r->recovery.own_left)
		status = hf_fail(err, HF_BUSY, "another process was in the way");
	memcpy(r->redo.commit, r->recovery.own_commit, sizeof(r->redo.commit));
	return status;
}

static bool is_overtaken(enum hf_status status, const struct hf_err *err)
{
	return status == HF_BUSY && err->errnum == EEXIST && !HF_WITHOUT(again);
}

static enum hf_status finish_record(struct record *r, struct hf_err *err)
{
	bool done = hf_record_has_snapshot(&r->intent);
	struct hf_err own;
	enum hf_status status;

	if (!r->intent.file_count)
		return HF_OK;
	status = done ? finish_as_recovery(r, err) : hf_redo(&r->redo, r->intent.tip, err);
	if (is_overtaken(status, err)) {
		status = finish_again(r, err);
		done = true;
	}
	if (status != HF_OK)
		return fail_unfinished(r, err);
	memcpy(r->result->commit, r->redo.commit, sizeof(r->result->commit));
	if (r->recovery.own_stays)
		return hf_fail(err, HF_UNCERTAIN,
			       "recorded, but a file was changed by another process, and stays");
	status = done ? HF_OK : delete_intent(r, &own);
	/* With a commit the record is done, whichever process deletes the intent. If the database
	 * is busy or the disk full, the next run deletes it. */
	if (status == HF_OK || r->repo)
		return HF_OK;
	if (err)
		*err = own;
	return fail_unfinished(r, err);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void begin_record(struct record *r, const struct hf_record_request *request,
			 struct hf_record_result *result)
{
	*r = (struct record){.request = request, .result = result};
	*result = (struct hf_record_result){0};
	r->hold = (struct hf_record_locks){.database = request->database,
					   .no_foreign_keys = request->no_foreign_keys,
					   .create = true,
					   .wait = request->wait,
					   .backoff = request->backoff,
					   .report = request->report,
					   .report_context = request->report_context};
	r->recovery = (struct hf_recovery){.hold = &r->hold};
}

static void end_record(struct record *r)
{
	hf_record_git_end(&r->redo.git);
	for (size_t i = 0; i < r->intent.file_count; i++) {
		hf_record_file_close(&r->files[i]);
		free(r->intent.files[i].path);
	}
	hf_record_locks_end(&r->hold);
	hf_recovery_end(&r->recovery);
	free(r->files);
	free(r->intent.files);
	free(r->intent.repository);
	free(r->intent.gitdir);
	free(r->intent.ref);
	free(r->intent.message);
	hf_commit_ident_free(&r->intent.author);
	hf_commit_ident_free(&r->intent.committer);
}

enum hf_status hf_record(const struct hf_record_request *request, struct hf_record_result *result,
			 struct hf_err *err)
{
	struct record r;
	struct hf_err own;
	enum hf_status status;
	bool moved;

	if (!err)
		err = &own;
	begin_record(&r, request, result);
	status = check_request(&r, err);
	if (status == HF_OK)
		do
			status = prepare_commit(&r, &moved, err);
		while (status == HF_NO && moved);
	if (status == HF_OK)
		status = commit_record(&r, err);
	if (status == HF_OK)
		status = finish_record(&r, err);
	end_record(&r);
	return status;
}

enum hf_status hf_record_recover(const struct hf_record_request *request, size_t *finished,
				 size_t *left, struct hf_err *err)
{
	struct hf_record_result result;
	struct record r;
	struct hf_repo *repo;
	struct hf_err own;
	enum hf_status status;

	if (!err)
		err = &own;
	begin_record(&r, request, &result);
	r.hold.create = false;
	r.hold.word = "recovery";
	r.recovery.others = !request->repository;
	status = hf_record_locks_init(&r.hold, err);
	if (status == HF_OK && request->repository) {
		status = hf_repo_open(&repo, request->repository, err);
		if (status == HF_OK)
			status = hf_record_locks_add_repo(&r.hold, repo, false, err);
	}
	if (status == HF_OK)
		status = acquire_and_recover(&r, err);
	*finished = r.recovery.finished;
	*left = r.recovery.left;
	end_record(&r);
	return status;
}

enum hf_status hf_record_drop(const struct hf_record_request *request, const char *id,
			      void (*tell)(void *context, const struct hf_intent *intent),
			      void *context, char saved[PATH_MAX], struct hf_err *err)
{
	struct hf_record_result result;
	struct record r;
	enum hf_status status;

	begin_record(&r, request, &result);
	r.hold.create = false;
	status = hf_record_locks_init(&r.hold, err);
	if (status == HF_OK)
		status = hf_record_discard(&r.hold, id, tell, context, saved, err);
	end_record(&r);
	return status;
}

enum hf_status hf_record_list(const struct hf_record_request *request,
			      void (*tell)(void *context, const struct hf_intent *intent),
			      void *context, size_t *count, struct hf_err *err)
{
	const struct hf_db_options options = {
		.flags = HF_DB_READ, .wait = request->wait, .backoff = request->backoff};
	struct hf_intent *intents = NULL;
	struct hf_db *db;
	enum hf_status status = hf_db_open(&db, request->database, &options, err);

	*count = 0;
	if (status == HF_OK)
		status = hf_db_begin_read(db, err);
	if (status == HF_OK)
		status = hf_intents_load(db, true, &intents, count, err);
	for (size_t i = 0; i < *count && status == HF_OK; i++)
		tell(context, &intents[i]);
	hf_intents_free(intents, *count);
	hf_db_close(db);
	return status;
}
