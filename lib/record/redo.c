/* SPDX-License-Identifier: ISC */
#include "record/redo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/copy.h"
#include "base/sys.h"
#include "record/redo_check.h"

/* ---- what the run itself does --------------------------------------------------------------- */

static enum hf_status apply_files(struct hf_redo *redo, struct hf_err *err)
{
	size_t count = redo->intent->file_count;
	struct hf_sync_batch own = {NULL, 0};
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < count && status == HF_OK; i++)
		if (redo->files[i].state == HF_REDO_PENDING)
			status = hf_record_file_apply(&redo->files[i], err);
	if (status == HF_OK)
		status = hf_record_files_sync(redo->files, count,
					      redo->repo ? hf_repo_sync_batch(redo->repo) : &own,
					      err);
	if (status == HF_OK)
		return hf_sync_batch_run(&own, err);
	hf_sync_batch_discard(&own);
	return status;
}

static enum hf_status redo_git(struct hf_redo *redo, struct hf_err *err)
{
	enum hf_status status;

	if (!redo->repo)
		return HF_OK;
	status = hf_record_git_redo(&redo->git, err);
	if (status != HF_OK)
		return status;
	memcpy(redo->commit, redo->git.commit, sizeof(redo->commit));
	if (redo->git.lost)
		hf_record_locks_report(
			redo->hold,
			"'%s' was reset, and is not checked out any more: it lacks commit %.12s",
			redo->intent->ref, redo->commit);
	else if (redo->git.elsewhere)
		hf_record_locks_report(redo->hold,
				       "commit %.12s is in '%s', which is not checked out any more",
				       redo->commit, redo->intent->ref);
	return HF_OK;
}

enum hf_status hf_redo(struct hf_redo *redo, struct hf_err *err)
{
	enum hf_status status = apply_files(redo, err);

	return status == HF_OK ? redo_git(redo, err) : status;
}

/* ---- what is staged ------------------------------------------------------------------------- */

/* Put the content beside the file, without a repository (record/V1). */
static enum hf_status put_beside(const struct hf_redo *redo, const struct hf_record_file *f,
				 struct hf_err *err)
{
	const struct hf_atomic_options options = {
		.wait = redo->hold->wait, .skip_same = true, .allow_empty = true};
	struct hf_atomic *atomic;
	enum hf_status status;
	char *path;

	if (f->plan->op == HF_RECORD_REMOVE) {
		hf_record_locks_report(redo->hold, "'%s' was changed in the meantime, and is kept",
				       f->path);
		return HF_OK;
	}
	if (asprintf(&path, "%s.record-%.8s", f->path, redo->intent->id) < 0)
		return hf_fail(err, HF_OS, "cannot finish a record: out of memory");
	status = hf_atomic_begin(&atomic, path, &options, err);
	if (status == HF_OK) {
		status = hf_record_file_write(f, hf_atomic_fd(atomic), redo->hold->database,
					      &redo->hold->wait, err);
		if (status == HF_OK)
			status = hf_atomic_commit(atomic, err);
		hf_atomic_end(atomic);
	}
	if (status == HF_OK && f->plan->op == HF_RECORD_APPEND)
		hf_record_locks_report(
			redo->hold, "cannot tell whether '%s' has the record; its text is in '%s'",
			f->path, path);
	else if (status == HF_OK)
		hf_record_locks_report(redo->hold,
				       "'%s' was changed in the meantime, and is kept; the "
				       "recorded content is in '%s'",
				       f->path, path);
	free(path);
	return status;
}

/* Check one file, and stage what is needed: to apply it, or for its blob. */
static enum hf_status stage_found(struct hf_redo *redo, struct hf_record_file *f,
				  struct hf_err *err)
{
	struct hf_intent_file plan = *f->plan; /* the members that staging overwrites */
	const bool is_removed = plan.op == HF_RECORD_REMOVE;
	enum hf_status status;
	char found[65];

	snprintf(f->mode, sizeof(f->mode), "%04o", f->plan->mode);
	status = hf_record_file_look(f, &redo->hold->wait, found, err);
	if (status == HF_OK)
		status = hf_redo_check(redo->hold, f, found, err);
	if (status != HF_OK || f->state == HF_REDO_DONE)
		return status;
	if (f->state == HF_REDO_SUPERSEDED) {
		redo->stays = true;
		if (!redo->repo || plan.op == HF_RECORD_APPEND)
			return put_beside(redo, f, err);
		hf_record_locks_report(redo->hold,
				       "'%s' was changed in the meantime, and is kept; the "
				       "recorded content is committed",
				       f->path);
		if (is_removed)
			return HF_OK;
	}
	status = hf_record_file_stage(f, found, redo->hold->database, &redo->hold->wait, err);
	if (status == HF_OK && !f->correct)
		*f->plan = plan;
	return status;
}

static enum hf_status stage_all_found(struct hf_redo *redo, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < redo->intent->file_count && status == HF_OK; i++)
		status = stage_found(redo, &redo->files[i], err);
	return status;
}

/* Update the intent durably (record/V4). */
static enum hf_status correct_intent(const struct hf_redo *redo, struct hf_err *err)
{
	enum hf_status status = HF_OK;
	bool any = false;

	for (size_t i = 0; i < redo->intent->file_count && status == HF_OK; i++) {
		any = any || redo->files[i].correct;
		if (redo->files[i].correct)
			status = hf_intent_put_file(redo->hold->db, redo->intent, i, err);
	}
	if (status == HF_OK && any)
		status = hf_db_commit(redo->hold->db, err);
	if (status == HF_OK && any)
		status = hf_record_locks_begin(redo->hold, true, err);
	return status;
}

/* The state of the commit. */
struct seen {
	char tip[HF_OID_SIZE]; /* where the branch is */
	/* where it was before, if the tip is gone; the commit's parent, if it is done */
	char upon[HF_OID_SIZE];
	bool done; /* the commit exists */
	bool gone; /* the tip leads to nothing */
};

static enum hf_status find_commit(struct hf_redo *redo, struct seen *seen, struct hf_err *err)
{
	struct hf_repo *repo = redo->repo;
	const char *ref = redo->intent->ref;
	enum hf_status status;

	*seen = (struct seen){0};
	if (!repo)
		return HF_OK;
	status = hf_repo_ref_history(repo, ref, seen->tip, seen->upon, err);
	seen->gone = status == HF_OK && seen->tip[0] && !hf_repo_has(repo, seen->tip);
	if (seen->gone)
		return HF_OK;
	if (status == HF_OK)
		status = hf_repo_tip(repo, ref, seen->tip, err);
	if (status == HF_OK)
		status = hf_record_git_find(repo, redo->intent, seen->tip, redo->commit, err);
	seen->done = status == HF_OK;
	if (seen->done)
		status = hf_repo_parent(repo, redo->commit, seen->upon, err);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status stage_git(struct hf_redo *redo, const char *tip, struct hf_err *err)
{
	return hf_record_git_stage(&redo->git, redo->repo, redo->intent, redo->files, tip,
				   redo->hold->wait.deadline, err);
}

static enum hf_status finish_intent(struct hf_redo *redo, const char *tip, struct hf_err *err)
{
	enum hf_status status = stage_all_found(redo, err);

	if (status == HF_OK && redo->repo)
		status = stage_git(redo, tip, err);
	if (status == HF_OK && redo->repo)
		status = hf_repo_prepare(redo->repo, redo->git.changes, redo->intent->file_count,
					 err);
	if (status == HF_OK)
		status = correct_intent(redo, err);
	return status == HF_OK ? hf_redo(redo, err) : status;
}

/* ---- done, but objects were removed --------------------------------------------------------- */

static enum hf_status fail_read(const struct hf_record_file *f, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot read '%s'", f->path);
}

/* Exclude what other processes have appended since: it was not committed. */
static enum hf_status cut_append(struct hf_record_file *f, struct hf_err *err)
{
	const struct hf_intent_file *plan = f->plan;
	off_t size = plan->old_size + (off_t)plan->size;
	enum hf_status status;
	int fd;

	if (plan->op != HF_RECORD_APPEND || f->state != HF_REDO_DONE || f->st.st_size <= size)
		return HF_OK;
	fd = memfd_create("record", MFD_CLOEXEC);
	if (fd < 0)
		return fail_read(f, err);
	status = hf_copy_file(f->fd, fd, f->path, "memory", err);
	if (status == HF_OK && (sys_ftruncate(fd, size) < 0 || sys_fchmod(fd, f->st.st_mode) < 0))
		status = fail_read(f, err);
	if (status != HF_OK) {
		sys_close(fd);
		return status;
	}
	f->committed = fd;
	return HF_OK;
}

static enum hf_status fail_renew(struct hf_redo *redo, const struct seen *seen, struct hf_err *err)
{
	/* so far a running prune is the only reason why this was tried */
	if (!seen->gone &&
	    hf_record_git_is_whole(redo->repo, redo->intent, redo->commit, seen->tip))
		return hf_fail(err, HF_BUSY, "a 'git gc' or 'git prune' runs in '%s'",
			       hf_repo_workdir(redo->repo));
	hf_fail(err, HF_DATA, "objects of '%s' at %.12s are gone, and cannot be made again",
		redo->intent->ref, seen->tip);
	hf_advise(err, "'git fsck' names them, 'git reflog %s' where it was before",
		  redo->intent->ref);
	return HF_DATA;
}

/* Return true if every object exists, and either the new objects are the same ones, or no prune is
 * running. */
static bool is_kept(const struct hf_redo *redo, const struct seen *now)
{
	return now->done &&
	       hf_record_git_is_whole(redo->repo, redo->intent, redo->commit, now->tip) &&
	       (strcmp(redo->git.commit, redo->commit) == 0 || !hf_repo_is_pruned(redo->repo));
}

/* The branch leads, or led, to the commit, and a prune that started earlier has removed objects or
 * may remove them. Make them again: the same contents give the same names. */
static enum hf_status renew_commit(struct hf_redo *redo, const struct seen *seen,
				   struct hf_err *err)
{
	enum hf_status status = stage_all_found(redo, err);
	struct seen now;

	for (size_t i = 0; i < redo->intent->file_count && status == HF_OK; i++)
		status = cut_append(&redo->files[i], err);
	if (status == HF_OK)
		status = stage_git(redo, seen->upon, err);
	if (status == HF_OK)
		status = hf_record_git_renew(&redo->git, err);
	if (status == HF_OK)
		status = find_commit(redo, &now, err);
	return status == HF_OK && !is_kept(redo, &now) ? fail_renew(redo, &now, err) : status;
}

static bool is_complete(const struct hf_redo *redo, const struct seen *seen)
{
	return !redo->repo ||
	       (!seen->gone && !hf_repo_is_pruned(redo->repo) &&
		hf_record_git_is_whole(redo->repo, redo->intent, redo->commit, seen->tip));
}

enum hf_status hf_redo_found(struct hf_redo *redo, struct hf_err *err)
{
	struct seen seen;
	enum hf_status status = find_commit(redo, &seen, err);

	if (status == HF_OK && !seen.done && !seen.gone)
		status = finish_intent(redo, seen.tip, err);
	else if (status == HF_OK && !is_complete(redo, &seen))
		status = renew_commit(redo, &seen, err);
	hf_record_git_end(&redo->git);
	return status == HF_OK ? hf_intent_delete(redo->hold->db, redo->intent->id, err) : status;
}
