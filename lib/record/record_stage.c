/* SPDX-License-Identifier: ISC */
#include "record/record_stage.h"

#include <stdlib.h>
#include <string.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "record/record_mark.h"

enum { MAX_SLOTS = 1000, SPARE = 40 };

bool hf_record_has_snapshot(const struct hf_intent *intent)
{
	for (size_t i = 0; i < intent->file_count; i++)
		if (intent->files[i].op == HF_RECORD_SNAPSHOT)
			return true;
	return false;
}

/* Give the staged append a mark that no unfinished intent and no other user has. */
static enum hf_status mark_file(struct hf_redo *redo, struct hf_record_file *f, struct hf_err *err)
{
	char id[HF_MARK_ID], mark[HF_MARK_SIZE];
	enum hf_status status = hf_mark_database(redo->hold->database, id, err);

	for (unsigned int slot = 0; status == HF_OK && slot < MAX_SLOTS; slot++) {
		hf_mark_name(id, slot, mark);
		status = hf_intent_has_mark(redo->hold->db, mark, err);
		if (status != HF_NO)
			continue;
		status = hf_record_file_mark(f, mark, err);
		if (status != HF_NO)
			return status;
		status = HF_OK;
	}
	if (status != HF_OK)
		return status;
	return hf_fail(err, HF_CANTCREAT,
		       "cannot append to '%s': no name is free for the mark beside it", f->path);
}

/* Sync what must be durable before the COMMIT. With a repository, the sync of its objects includes
 * files and marks (record_commit.h), unless a snapshot postpones the objects. */
static enum hf_status sync_file(const struct hf_redo *redo, const struct hf_record_file *f,
				struct hf_sync_batch *due, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	if (redo->repo && !hf_record_has_snapshot(redo->intent))
		return HF_OK;
	if (f->staged && !redo->repo)
		status = hf_sync_batch_lend(due, hf_atomic_fd(f->atomic), f->path, err);
	if (status == HF_OK && f->marked && !HF_WITHOUT(mark_sync))
		status = hf_sync_batch_lend(due, f->target.dir, f->path, err);
	return status;
}

static enum hf_status stage_file(struct hf_redo *redo, struct hf_record_file *f,
				 struct hf_sync_batch *due, struct hf_err *err)
{
	char found[65];
	enum hf_status status = hf_record_file_look(f, &redo->hold->wait, found, err);

	if (status != HF_OK)
		return status;
	if (f->plan->op == HF_RECORD_SNAPSHOT) {
		/* only what it replaces; the image is made after the COMMIT */
		memcpy(f->plan->old_sha256, found, sizeof(f->plan->old_sha256));
		f->plan->old_size = f->present ? f->st.st_size : 0;
		return HF_OK;
	}
	status = hf_record_file_stage(f, found, redo->hold->database, &redo->hold->wait, err);
	if (status == HF_OK && f->plan->op == HF_RECORD_APPEND)
		status = mark_file(redo, f, err);
	return status == HF_OK ? sync_file(redo, f, due, err) : status;
}

/* Read the branch and its tip. */
static enum hf_status read_head(struct hf_redo *redo, struct hf_err *err)
{
	struct hf_intent *intent = redo->intent;
	const char **paths = calloc(intent->file_count + 1, sizeof(*paths));
	enum hf_status status;

	if (!paths)
		return hf_fail(err, HF_OS, "cannot record: out of memory");
	for (size_t i = 0; i < intent->file_count; i++)
		paths[i] = intent->files[i].path;
	redo->switched = false;
	status = hf_repo_head(redo->repo, &intent->ref, intent->tip, err);
	if (status == HF_OK)
		status = hf_repo_may_move(redo->repo, intent->ref, err);
	if (status == HF_OK && !HF_WITHOUT(switched))
		status = hf_repo_is_switched(redo->repo, intent->tip, paths, intent->file_count,
					     &redo->switched, err);
	free(paths);
	if (status == HF_OK && redo->switched)
		return hf_fail(err, HF_BUSY, "a Git command is about to switch or reset '%s'",
			       hf_repo_workdir(redo->repo));
	return status;
}

enum hf_status hf_record_stage(struct hf_redo *redo, struct hf_err *err)
{
	struct hf_intent *intent = redo->intent;
	enum hf_status status = HF_OK;
	struct hf_sync_batch due = {NULL, 0};

	if (redo->repo)
		status = read_head(redo, err);
	for (size_t i = 0; i < intent->file_count && status == HF_OK; i++)
		status = stage_file(redo, &redo->files[i], &due, err);
	if (status == HF_OK)
		status = hf_sync_batch_run(&due, err);
	hf_sync_batch_discard(&due);
	/* the steps after the COMMIT open some more, and run Git */
	if (status == HF_OK && !HF_WITHOUT(descriptors))
		status = hf_check_limit(SPARE, err);
	if (status != HF_OK || !redo->repo)
		return status;
	/* the content of the index is not known yet: check only that it can be changed */
	if (hf_record_has_snapshot(intent))
		return hf_repo_prepare(redo->repo, NULL, 0, err);
	/* HF_NO: git/user_program.h */
	hf_repo_defer_programs(redo->repo, true);
	status = hf_record_git_stage(&redo->git, redo->repo, intent, redo->files, intent->tip,
				     redo->hold->wait.deadline, err);
	hf_repo_defer_programs(redo->repo, false);
	return status == HF_OK
		       ? hf_repo_prepare(redo->repo, redo->git.changes, intent->file_count, err)
		       : status;
}

void hf_record_unstage(struct hf_redo *redo)
{
	hf_record_git_end(&redo->git);
	for (size_t i = 0; i < redo->intent->file_count; i++)
		hf_record_file_unstage(&redo->files[i]);
	if (redo->repo)
		hf_repo_objects_done(redo->repo);
	free(redo->intent->ref);
	redo->intent->ref = NULL;
}
