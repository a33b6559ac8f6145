/* SPDX-License-Identifier: ISC */
#include "record/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "record/intent_target.h"
#include "record/record_commit.h"
#include "record/redo.h"

/* The files of an intent, kept while locks are released and acquired again. */
struct hf_recovery_files {
	char id[HF_RECORD_ID];
	struct hf_record_file *files;
	size_t count;
	struct hf_repo *repo; /* where it is finished; NULL: no repository */
};

/* Descriptors: for each file, and for everything else. */
enum { PER_FILE = 4, BESIDE = 256 };

enum verdict { READY, LEFT, MORE };

/* Report an unfinished record once, though it may be seen again and again. */
static enum verdict leave_unfinished(struct hf_recovery *r, const struct hf_intent *intent,
				     const char *why)
{
	if (r->own && strcmp(r->own, intent->id) == 0)
		r->own_left = true;
	for (size_t i = 0; i < r->reported_count; i++)
		if (strcmp(r->reported[i], intent->id) == 0)
			return LEFT;
	hf_array_append(&r->reported, &r->reported_count, intent->id, HF_RECORD_ID);
	hf_record_locks_report(r->hold, "record %.8s is left unfinished: %s", intent->id, why);
	return LEFT;
}

/* Report it with advice: the reason may be permanent. */
static enum verdict leave_with_advice(struct hf_recovery *r, const struct hf_intent *intent,
				      const struct hf_err *why)
{
	const char *line = why->advice;
	size_t before = r->reported_count;

	leave_unfinished(r, intent, why->message);
	if (r->reported_count == before)
		return LEFT;
	for (; *line; line += strspn(line, "\n")) {
		hf_record_locks_report(r->hold, "%.*s", (int)strcspn(line, "\n"), line);
		line += strcspn(line, "\n");
	}
	hf_record_locks_report(r->hold,
			       "to discard it: atomic-record --recover --drop %.8s --sqlite '%s'",
			       intent->id, r->hold->database);
	return LEFT;
}

/* ---- where it is finished ------------------------------------------------------------------- */

static enum verdict find_repo(struct hf_recovery *r, const struct hf_intent *intent,
			      struct hf_repo **repo)
{
	bool on_branch;
	struct hf_record_locks_repo *held = hf_intent_repo_find(r->hold, intent, &on_branch);
	struct hf_err err;

	if (!held && !r->others) {
		hf_fail(&err, HF_NO, "it is of another repository, '%s'", intent->gitdir);
		return leave_unfinished(r, intent, err.message);
	}
	if (!on_branch) {
		enum hf_status status = hf_intent_repo_open(r->hold, intent, &err);

		if (status != HF_OK && !held)
			return leave_with_advice(r, intent, &err);
		held = hf_intent_repo_find(r->hold, intent, &on_branch);
	}
	if (!on_branch) {
		hf_fail(&err, HF_NO, "'%s' is not checked out in '%s'", intent->ref,
			intent->gitdir);
		return leave_with_advice(r, intent, &err);
	}
	if (hf_repo_check(held->repo, NULL, NULL, &err) != HF_OK)
		return leave_unfinished(r, intent, err.message);
	*repo = held->repo;
	if (held->wanted)
		return READY;
	held->wanted = true;
	return MORE;
}

/* ---- its files ------------------------------------------------------------------------------ */

static enum hf_status make_path_of(const struct hf_intent_file *plan, struct hf_repo *repo,
				   char **path, struct hf_err *err)
{
	int n = repo ? asprintf(path, "%s/%s", hf_repo_workdir(repo), plan->path)
		     : asprintf(path, "%s", plan->path);

	if (n >= 0)
		return HF_OK;
	*path = NULL;
	return hf_fail(err, HF_OS, "cannot finish a record: out of memory");
}

/* Check that the path is still the intent's, and one that may be committed (record/V5). */
static enum hf_status check_path_again(const struct hf_record_file *f, const char *real,
				       struct hf_repo *repo, struct hf_err *err)
{
	char *tree_path = NULL;
	enum hf_status status = hf_repo_path(repo, real, &tree_path, err);

	if (status == HF_OK && strcmp(tree_path, f->plan->path) != 0)
		status = hf_fail(err, HF_DATA, "'%s' leads elsewhere now", f->path);
	free(tree_path);
	return status;
}

static enum hf_status fail_not_trusted(const struct hf_record_file *f, struct hf_err *err)
{
	return hf_fail(err, HF_DATA, "other users may write to the database, but not to '%s'",
		       f->path);
}

/* Check the path twice: before creating directories, and again after opening the file. */
static enum hf_status open_in_repo(struct hf_recovery *r, struct hf_record_file *f,
				   struct hf_repo *repo, struct hf_err *err)
{
	char *real = NULL;
	enum hf_status status = repo ? check_path_again(f, f->path, repo, err) : HF_OK;

	if (status == HF_OK && !repo && !hf_intent_is_trusted(r->hold, f->path))
		return fail_not_trusted(f, err);
	if (status == HF_OK)
		status = hf_record_file_open(f, &r->hold->place, true, err);
	if (status == HF_OK && !repo && !hf_place_trusts_target(r->hold, &f->target))
		return fail_not_trusted(f, err);
	if (status == HF_OK && repo) {
		status = hf_record_file_real(f, &real, err);
		if (status == HF_OK)
			status = check_path_again(f, real, repo, err);
	}
	free(real);
	return status;
}

static enum hf_status open_file(struct hf_recovery *r, struct hf_recovery_files *known,
				struct hf_intent_file *plan, struct hf_err *err)
{
	struct hf_record_file *f = &known->files[known->count];
	char *path;
	enum hf_status status = make_path_of(plan, known->repo, &path, err);

	if (status != HF_OK)
		return status;
	*f = (struct hf_record_file){
		.plan = plan,
		.path = path,
		.own_path = path,
		.fd = -1,
		.committed = -1,
		.target.dir = -1,
		.later = known->repo,
	};
	known->count++;
	status = open_in_repo(r, f, known->repo, err);
	if (status == HF_OK)
		hf_record_file_share(f, known->files, known->count - 1);
	return status;
}

static struct hf_recovery_files *known_files(struct hf_recovery *r, const char *id)
{
	for (size_t i = 0; i < r->file_count; i++)
		if (strcmp(r->files[i].id, id) == 0)
			return &r->files[i];
	return NULL;
}

/* Return true for a failure that depends on the state of the disk. Other failures end the recovery.
 */
static bool is_lasting(enum hf_status status)
{
	return status == HF_DATA || status == HF_CANTCREAT || status == HF_NOINPUT ||
	       status == HF_USAGE;
}

static enum verdict open_files(struct hf_recovery *r, struct hf_intent *intent,
			       struct hf_repo *repo, enum hf_status *status, struct hf_err *err)
{
	struct hf_recovery_files *known = hf_array_add(&r->files, &r->file_count, sizeof(*known));

	*status = known ? HF_OK : hf_fail(err, HF_OS, "cannot finish a record: out of memory");
	if (!known)
		return LEFT;
	*known = (struct hf_recovery_files){.repo = repo};
	memcpy(known->id, intent->id, sizeof(known->id));
	hf_raise_limit(intent->file_count * PER_FILE + BESIDE);
	known->files = calloc(intent->file_count + 1, sizeof(*known->files));
	if (!known->files)
		*status = hf_fail(err, HF_OS, "cannot finish a record: out of memory");
	for (size_t i = 0; i < intent->file_count && *status == HF_OK; i++)
		*status = open_file(r, known, &intent->files[i], err);
	for (size_t i = 0; i < known->count && *status == HF_OK; i++)
		*status = hf_record_locks_add_file(r->hold, &known->files[i], err);
	if (*status == HF_OK)
		return MORE;
	if (is_lasting(*status)) {
		*status = HF_OK;
		leave_with_advice(r, intent, err);
	}
	return LEFT;
}

/* Check that everything the intent needs is held. */
static enum verdict prepare_intent(struct hf_recovery *r, struct hf_intent *intent,
				   enum hf_status *status, struct hf_err *err)
{
	struct hf_recovery_files *known;
	struct hf_repo *repo = NULL;
	enum verdict verdict = READY;

	if (intent->version > HF_INTENT_VERSION)
		return leave_unfinished(r, intent, "it was made by a newer holdfast");
	if (intent->repository)
		verdict = find_repo(r, intent, &repo);
	if (verdict != LEFT && repo && !hf_intent_is_trusted(r->hold, hf_repo_commondir(repo)))
		verdict = leave_unfinished(
			r, intent,
			"other users may write to the database, but not to the repository");
	if (verdict == LEFT)
		return LEFT;
	known = known_files(r, intent->id);
	if (!known)
		return open_files(r, intent, repo, status, err);
	if (known->repo != repo || known->count != intent->file_count)
		return leave_unfinished(r, intent, "it has changed");
	for (size_t i = 0; i < known->count; i++)
		known->files[i].plan = &intent->files[i];
	return verdict;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static enum hf_status finish_intent(struct hf_recovery *r, struct hf_intent *intent,
				    struct hf_err *err)
{
	struct hf_recovery_files *known = known_files(r, intent->id);
	struct hf_redo redo = {
		.hold = r->hold,
		.intent = intent,
		.files = known->files,
		.repo = known->repo,
	};
	enum hf_status status = hf_redo_found(&redo, err);

	for (size_t i = 0; i < known->count; i++)
		hf_record_file_unstage(&known->files[i]);
	if (status != HF_OK)
		return status;
	r->finished++;
	if (r->own && strcmp(r->own, intent->id) == 0) {
		memcpy(r->own_commit, redo.commit, sizeof(r->own_commit));
		r->own_stays = redo.stays;
		return HF_OK;
	}
	if (redo.commit[0])
		hf_record_locks_report(r->hold, "record %.8s is finished: commit %.12s", intent->id,
				       redo.commit);
	else
		hf_record_locks_report(r->hold, "record %.8s is finished", intent->id);
	return HF_OK;
}

/* The error is read by a user who wanted to make another record. */
static enum hf_status fail_stuck(const struct hf_recovery *r, const struct hf_intent *intent,
				 enum hf_status status, struct hf_err *err)
{
	struct hf_err why = *err;

	hf_fail(err, status, "cannot finish record %.8s, which comes first: %s", intent->id,
		why.message);
	err->errnum = why.errnum;
	strcpy(err->advice, why.advice);
	if (status != HF_BUSY)
		hf_advise(err, "to discard it: atomic-record --recover --drop %.8s --sqlite '%s'",
			  intent->id, r->hold->database);
	return status;
}

static enum hf_status recover_intents(struct hf_recovery *r, struct hf_intent *intents,
				      size_t count, struct hf_err *err)
{
	enum verdict *verdicts = calloc(count, sizeof(*verdicts));
	enum hf_status status = HF_OK;
	bool more = false;

	if (!verdicts)
		return hf_fail(err, HF_OS, "cannot finish a record: out of memory");
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		verdicts[i] = prepare_intent(r, &intents[i], &status, err);
		if (status != HF_OK)
			status = fail_stuck(r, &intents[i], status, err);
		more = more || verdicts[i] == MORE;
	}
	if (status == HF_OK && more)
		status = HF_NO;
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		if (verdicts[i] == READY)
			status = finish_intent(r, &intents[i], err);
		if (is_lasting(status)) {
			verdicts[i] = leave_with_advice(r, &intents[i], err);
			status = HF_OK;
		} else if (status != HF_OK) {
			status = fail_stuck(r, &intents[i], status, err);
		}
		r->left += verdicts[i] != READY;
	}
	free(verdicts);
	return status;
}

enum hf_status hf_record_recover_all(struct hf_recovery *r, struct hf_err *err)
{
	struct hf_intent *intents;
	size_t count, before = r->finished;
	enum hf_status status = hf_intents_load(r->hold->db, false, &intents, &count, err);

	r->left = 0;
	if (status != HF_OK)
		return status;
	if (count)
		status = recover_intents(r, intents, count, err);
	hf_intents_free(intents, count);
	if (status != HF_OK || r->finished == before)
		return status;
	/* files have other inodes now, and the locks are on the old ones */
	status = hf_db_commit(r->hold->db, err);
	return status == HF_OK ? HF_NO : status;
}

void hf_recovery_forget(struct hf_recovery *r)
{
	for (size_t i = 0; i < r->file_count; i++) {
		for (size_t k = 0; k < r->files[i].count; k++) {
			hf_record_file_close(&r->files[i].files[k]);
			free(r->files[i].files[k].own_path);
		}
		free(r->files[i].files);
	}
	free(r->files);
	r->files = NULL;
	r->file_count = 0;
}

void hf_recovery_end(struct hf_recovery *r)
{
	hf_recovery_forget(r);
	free(r->reported);
	r->reported = NULL;
	r->reported_count = 0;
}
