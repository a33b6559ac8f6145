/* SPDX-License-Identifier: ISC */
#include "record/record.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "record/record_drop.h"
#include "record/record_run.h"

/* ---- check: refuse what can be refused before anything is taken ------------------------------ */

static enum hf_status fail_no_memory(struct hf_err *err)
{
	return hf_fail(err, HF_OS, "cannot record: out of memory");
}

static enum hf_status open_repo(struct hf_record_run *r, struct hf_err *err)
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
	r->redo.repo = repo;
	status = hf_repo_check(repo, &intent->author, &intent->committer, err);
	if (status == HF_OK)
		status = hf_record_git_message(repo, request->message, intent->id, &intent->message,
					       err);
	if (status == HF_OK)
		status = hf_repo_id(repo, &id, err);
	if (status != HF_OK)
		return status;
	intent->repository = strdup(id);
	intent->gitdir = strdup(hf_repo_gitdir(repo));
	return intent->repository && intent->gitdir ? HF_OK : fail_no_memory(err);
}

static mode_t current_umask(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return mask;
}

static enum hf_status check_file(struct hf_record_run *r, size_t i, struct hf_err *err)
{
	const struct hf_record_spec *spec = &r->request->files[i];
	struct hf_record_file *f = &r->redo.files[i];
	enum hf_status status;

	f->plan->op = spec->op;
	f->plan->content = spec->content;
	f->plan->size = spec->size;
	f->plan->mode = 0666 & ~current_umask();
	f->if_match = spec->if_match;
	f->later = true;
	status = hf_record_file_open(f, &r->hold.place, r->request->parents, err);
	return status == HF_OK ? hf_record_run_add_file(r, i, err) : status;
}

/* Descriptors: for each file one of the file and one of the staged content; some have a directory
 * of their own. */
enum { PER_FILE = 4, BESIDE = 128 };

static enum hf_status check_request(struct hf_record_run *r, struct hf_err *err)
{
	const struct hf_record_request *request = r->request;
	size_t count = request->file_count;
	enum hf_status status = HF_OK;

	hf_intent_name(r->intent.id);
	memcpy(r->result->id, r->intent.id, sizeof(r->result->id));
	r->intent.uid = geteuid();
	r->intent.created = time(NULL);
	r->hold.word = r->intent.id;
	r->redo.files = calloc(count + 1, sizeof(*r->redo.files));
	r->intent.files = calloc(count + 1, sizeof(*r->intent.files));
	if (!r->redo.files || !r->intent.files)
		return fail_no_memory(err);
	r->intent.file_count = count;
	for (size_t i = 0; i < count; i++)
		r->redo.files[i] = (struct hf_record_file){.plan = &r->intent.files[i],
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
	return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

enum hf_status hf_record(const struct hf_record_request *request, struct hf_record_result *result,
			 struct hf_err *err)
{
	struct hf_record_run r;
	struct hf_err own;
	enum hf_status status;

	if (!err)
		err = &own;
	hf_record_run_begin(&r, request, result);
	status = check_request(&r, err);
	if (status == HF_OK)
		status = hf_record_run_advance(&r, HF_RECORD_STAGED, err);
	/* that was about another record: of this one nothing was done (record/R5) */
	if (status == HF_UNCERTAIN || status == HF_UNKNOWN)
		err->status = status = HF_IO;
	if (status == HF_OK)
		status = hf_record_run_advance(&r, HF_RECORD_DONE, err);
	hf_record_run_end(&r);
	return status;
}

enum hf_status hf_record_recover(const struct hf_record_request *request, size_t *finished,
				 size_t *left, struct hf_err *err)
{
	struct hf_record_result result;
	struct hf_record_run r;
	struct hf_repo *repo;
	struct hf_err own;
	enum hf_status status;

	if (!err)
		err = &own;
	hf_record_run_begin(&r, request, &result);
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
		status = hf_record_run_advance(&r, HF_RECORD_LOCKED, err);
	*finished = r.recovery.finished;
	*left = r.recovery.left;
	hf_record_run_end(&r);
	return status;
}

enum hf_status hf_record_drop(const struct hf_record_request *request, const char *id,
			      void (*tell)(void *context, const struct hf_intent *intent),
			      void *context, char saved[PATH_MAX], struct hf_err *err)
{
	struct hf_record_result result;
	struct hf_record_run r;
	struct hf_err own;
	enum hf_status status;

	if (!err)
		err = &own;
	hf_record_run_begin(&r, request, &result);
	r.hold.create = false;
	status = hf_record_locks_init(&r.hold, err);
	if (status == HF_OK)
		status = hf_record_discard(&r.hold, id, tell, context, saved, err);
	hf_record_run_end(&r);
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
