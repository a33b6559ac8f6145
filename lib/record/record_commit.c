/* SPDX-License-Identifier: ISC */
#include "record/record_commit.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "git/commit_message.h"
#include "gitlock/git_locks.h"
#include "record/record_reapply.h"
#include <holdfast/clock.h>

/* Attempts: each time the tip has moved, another process made progress. */
enum { MAX_MOVES = 1000 };

/* How often the process checks again whether the ref's lock is stale. */
#define LOOK (HF_SECOND / 5)

static void trailer_of(char *out, size_t size, const char *id)
{
	snprintf(out, size, HF_RECORD_TRAILER ": %s", id);
}

enum hf_status hf_record_git_message(struct hf_repo *repo, const char *text, const char *id,
				     char **message, struct hf_err *err)
{
	char trailer[sizeof(HF_RECORD_TRAILER) + HF_RECORD_ID + 2];

	trailer_of(trailer, sizeof(trailer), id);
	return hf_repo_message(repo, text, trailer, message, err);
}

enum hf_status hf_record_git_find(struct hf_repo *repo, const struct hf_intent *intent,
				  const char *tip, char commit[HF_OID_SIZE], struct hf_err *err)
{
	char trailer[sizeof(HF_RECORD_TRAILER) + HF_RECORD_ID + 2];

	if (!*tip || strcmp(tip, intent->tip) == 0)
		return HF_NO;
	trailer_of(trailer, sizeof(trailer), intent->id);
	return hf_repo_find(repo, tip, intent->tip, trailer, commit, err);
}

/* ---- stage ---------------------------------------------------------------------------------- */

static enum hf_status stage_file(struct hf_record_git *g, size_t i, struct hf_err *err)
{
	struct hf_record_file *f = &g->files[i];
	const struct hf_intent_file *plan = &g->intent->files[i];
	struct hf_repo_change *change = &g->changes[i];
	int fd = hf_record_file_content(f);
	enum hf_status status;
	struct stat st;

	change->path = plan->path;
	change->remove = plan->op == HF_RECORD_REMOVE;
	f->moved_away = !change->remove && fd < 0;
	if (change->remove || f->moved_away)
		return HF_OK;
	if (sys_fstat(fd, &st) < 0)
		return hf_fail_errno(err, "cannot read the state of '%s'", f->path);
	status = hf_repo_mode(g->repo, plan->path, &st, &change->mode, err);
	if (status == HF_OK)
		status = hf_repo_blob(g->repo, plan->path, fd, change->oid, err);
	if (status == HF_OK && f->staged)
		status = hf_repo_sync_with(g->repo, fd, f->path, err);
	if (status == HF_OK && f->marked && !HF_WITHOUT(mark_sync))
		status = hf_repo_sync_with(g->repo, f->target.dir, f->path, err);
	return status;
}

/* Check that the commit has what it should have. A disk that fails while Git's programs read it can
 * make them believe that something is absent. */
static enum hf_status check_commit(const struct hf_record_git *g, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < g->intent->file_count && status == HF_OK; i++) {
		const struct hf_repo_change *change = &g->changes[i];
		struct hf_repo_change entry = {.path = change->path};

		status = hf_repo_entry(g->repo, g->commit, &entry, err);
		if (status == HF_OK &&
		    (entry.remove != change->remove || strcmp(entry.oid, change->oid) != 0 ||
		     entry.mode != change->mode))
			status = hf_fail(err, HF_IO, "the commit that was made lacks '%s'",
					 change->path);
	}
	return status;
}

/* Set the files that the commit keeps to their version at the tip. */
static enum hf_status find_moved_away(struct hf_record_git *g, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < g->intent->file_count && status == HF_OK; i++) {
		if (!g->files[i].moved_away)
			continue;
		g->changes[i].remove = !*g->tip;
		if (*g->tip)
			status = hf_repo_entry(g->repo, g->tip, &g->changes[i], err);
	}
	return status;
}

static enum hf_status make_commit(struct hf_record_git *g, struct hf_err *err)
{
	const struct hf_intent *intent = g->intent;
	enum hf_status status = find_moved_away(g, err);

	if (status == HF_OK)
		status = hf_repo_commit(g->repo, g->tip, g->changes, intent->file_count,
					intent->message, &intent->author, &intent->committer,
					g->commit, err);

	return status == HF_OK ? check_commit(g, err) : status;
}

/* HF_NO: programs must run first (git/user_program.h), for all files that need one. */
static enum hf_status stage_files(struct hf_record_git *g, struct hf_err *err)
{
	enum hf_status status = HF_OK;
	bool deferred = false;

	for (size_t i = 0; i < g->intent->file_count && status == HF_OK; i++) {
		status = stage_file(g, i, err);
		if (status != HF_NO || !hf_repo_awaits_program(g->repo))
			continue;
		deferred = true;
		status = HF_OK;
	}
	return status == HF_OK && deferred ? HF_NO : status;
}

/* Repeat while a gc removes objects that nothing leads to yet. */
static enum hf_status stage_commit(struct hf_record_git *g, struct hf_err *err)
{
	struct hf_backoff backoff;
	enum hf_status status = hf_backoff_init(&backoff, NULL, g->deadline, err);

	if (status != HF_OK)
		return status;
	do {
		hf_repo_objects_done(g->repo);
		status = stage_files(g, err);
		if (status == HF_OK)
			status = make_commit(g, err);
	} while (status == HF_BUSY && hf_backoff_sleep(&backoff));
	return status;
}

enum hf_status hf_record_git_stage(struct hf_record_git *g, struct hf_repo *repo,
				   const struct hf_intent *intent, struct hf_record_file *files,
				   const char *tip, int64_t deadline, struct hf_err *err)
{
	enum hf_status status;

	*g = (struct hf_record_git){
		.repo = repo, .intent = intent, .files = files, .deadline = deadline};
	snprintf(g->tip, sizeof(g->tip), "%s", tip);
	hf_repo_limit_programs(repo, deadline);
	g->changes = calloc(intent->file_count + 1, sizeof(*g->changes));
	status = g->changes ? stage_commit(g, err)
			    : hf_fail(err, HF_OS, "cannot make a commit: out of memory");
	if (status != HF_OK)
		hf_record_git_end(g);
	return status;
}

void hf_record_git_end(struct hf_record_git *g)
{
	if (g->repo)
		hf_repo_cancel(g->repo);
	free(g->changes);
	g->changes = NULL;
}

/* ---- redo ----------------------------------------------------------------------------------- */

/* Put the files as they are in place into the index. A path that another process has committed
 * since gets that version in the index too. */
static enum hf_status edit_index(struct hf_record_git *g, struct hf_err *err)
{
	size_t count = g->intent->file_count, n = 0;
	struct hf_repo_change *edits = calloc(count + 1, sizeof(*edits));
	enum hf_status status = HF_OK;

	if (!edits)
		return hf_fail(err, HF_OS, "cannot edit the index: out of memory");
	for (size_t i = 0; i < count; i++) {
		struct hf_repo_change *edit = &edits[n];
		struct hf_record_file *f = &g->files[i];

		if (f->moved_away || f->reapplied)
			continue;
		n++;
		*edit = g->changes[i];
		edit->st = NULL;
		/* stat again: its ctime has changed with its name */
		if ((f->applied || f->state == HF_REDO_DONE) && !edit->remove &&
		    sys_fstat(hf_record_file_content(f), &f->index) == 0)
			edit->st = &f->index;
	}
	if (n)
		status = hf_repo_index(g->repo, edits, n, err);
	free(edits);
	return status;
}

/* A run that was killed with the ref's lock has left it, and no other program breaks it. A lock
 * without proof that it is stale stays: Git itself holds it for a short time, and
 * hf_repo_update_ref() waits. */
static void clear_ref_lock(const struct hf_record_git *g)
{
	const struct hf_break_options options = {.stale_after = INT64_MAX};
	const char *ref = g->intent->ref;
	const char *dir =
		strcmp(ref, "HEAD") == 0 ? hf_repo_gitdir(g->repo) : hf_repo_commondir(g->repo);
	struct hf_break_result broken;
	struct hf_gitdir git;
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s.lock", dir, ref) < (int)sizeof(path) &&
	    sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    hf_gitdir_find(&git, hf_repo_gitdir(g->repo), NULL) == HF_OK)
		hf_git_lock_break(&git, path, NULL, &options, &broken, NULL);
}

/* Move the ref from a commit to g->target. */
static enum hf_status move_ref(const struct hf_record_git *g, const char *from, struct hf_err *err)
{
	const struct hf_intent *intent = g->intent;
	enum hf_status status;
	char reflog[200];

	snprintf(reflog, sizeof(reflog), "commit%s: %.*s", *g->tip ? "" : " (initial)",
		 (int)strcspn(intent->message, "\n"), intent->message);
	do {
		int64_t soon = hf_deadline_in(LOOK);

		clear_ref_lock(g);
		status = hf_repo_update_ref(g->repo, intent->ref, from, g->target, reflog,
					    &intent->committer,
					    soon < g->deadline ? soon : g->deadline, err);
	} while (status == HF_BUSY && hf_time_left(g->deadline) > 0);
	return status;
}

/* Make the commit to move to. again: make all objects again. */
static enum hf_status make_target(struct hf_record_git *g, bool again, struct hf_err *err)
{
	enum hf_status status = again ? stage_commit(g, err) : HF_OK;

	memcpy(g->target, g->commit, sizeof(g->target));
	if (status == HF_OK && strcmp(g->tip, g->intent->tip) != 0)
		status = hf_record_reapply(g->repo, g->intent, g->changes, g->commit, g->tip,
					   g->files, g->target, err);
	return status;
}

/* Make all objects that the ref leads to again. A signed commit then has another id. */
static enum hf_status remake_target(struct hf_record_git *g, struct hf_err *err)
{
	char was[HF_OID_SIZE];
	enum hf_status status;

	memcpy(was, g->target, sizeof(was));
	status = make_target(g, true, err);
	return status == HF_OK && strcmp(was, g->target) != 0 ? move_ref(g, was, err) : status;
}

/* After the ref is moved: git/R10. */
static enum hf_status protect_from_prune(struct hf_record_git *g, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	if (hf_repo_has_all(g->repo) && !hf_repo_is_pruned(g->repo))
		return HF_OK;
	do {
		if (!hf_repo_has_all(g->repo))
			status = remake_target(g, err);
		if (status == HF_OK)
			status = hf_repo_protect(g->repo, err);
	} while (status == HF_BUSY && hf_time_left(g->deadline) > 0);
	return status == HF_NO ? HF_IO : status;
}

/* Check the branch once more. HF_NO: it does not have the commit any more. */
static enum hf_status check_branch_again(struct hf_record_git *g, struct hf_err *err)
{
	char now[HF_OID_SIZE], found[HF_OID_SIZE], *head = NULL;
	enum hf_status status = hf_repo_branch(g->repo, &head, err);

	if (status == HF_OK)
		g->elsewhere = strcmp(head, g->intent->ref) != 0;
	free(head);
	if (status == HF_OK)
		status = hf_repo_tip(g->repo, g->intent->ref, now, err);
	if (status != HF_OK || strcmp(now, g->target) == 0 || HF_WITHOUT(look_again))
		return status;
	status = *now ? hf_record_git_find(g->repo, g->intent, now, found, err) : HF_NO;
	if (status != HF_NO)
		return status;
	g->lost = g->elsewhere;
	return g->elsewhere || !*now ? HF_OK : HF_NO;
}

/* Update index and ref, and check the result. HF_NO: the ref has moved, before or after that. */
static enum hf_status try_redo(struct hf_record_git *g, bool again, struct hf_err *err)
{
	enum hf_status status = make_target(g, again, err);

	if (status == HF_OK)
		status = edit_index(g, err);
	if (status == HF_OK)
		status = move_ref(g, g->tip, err);
	if (status == HF_OK)
		status = protect_from_prune(g, err);
	return status == HF_OK ? check_branch_again(g, err) : status;
}

/* Make the commit on a tip that has moved. A program that signs it runs without index.lock. */
static enum hf_status make_moved_commit(struct hf_record_git *g, struct hf_err *err)
{
	enum hf_status status;

	hf_repo_defer_programs(g->repo, true);
	status = make_commit(g, err);
	hf_repo_defer_programs(g->repo, false);
	if (status != HF_NO || !hf_repo_awaits_program(g->repo))
		return status;
	status = hf_repo_run_unlocked(g->repo, g->deadline, err);
	return status == HF_OK ? make_commit(g, err) : status;
}

enum hf_status hf_record_git_redo(struct hf_record_git *g, struct hf_err *err)
{
	const struct hf_intent *intent = g->intent;
	enum hf_status status = HF_OK;

	for (int moves = 0; moves < MAX_MOVES; moves++) {
		/* nothing leads to the staged objects: a gc may have removed them since */
		status = try_redo(g, status == HF_BUSY || !hf_repo_has_all(g->repo), err);
		if (status != HF_NO)
			return status;
		status = hf_repo_tip(g->repo, intent->ref, g->tip, err);
		/* nor is there a commit on which it could be made */
		if (status == HF_OK && !*g->tip && *intent->tip)
			status = hf_fail(err, HF_DATA, "'%s' no longer exists", intent->ref);
		if (status == HF_OK)
			status = make_moved_commit(g, err);
		if (status != HF_OK && status != HF_BUSY)
			return status;
	}
	return hf_fail(err, HF_BUSY, "cannot move '%s': other processes keep moving it",
		       intent->ref);
}

enum hf_status hf_record_git_renew(struct hf_record_git *g, struct hf_err *err)
{
	enum hf_status status;

	do {
		status = make_target(g, !hf_repo_has_all(g->repo), err);
		if (status == HF_OK)
			status = hf_repo_protect(g->repo, err);
	} while (status == HF_BUSY && hf_time_left(g->deadline) > 0);
	return status;
}

static bool has_entry(struct hf_repo *repo, const char *commit, const char *path)
{
	struct hf_repo_change entry = {.path = path};

	return hf_repo_entry(repo, commit, &entry, NULL) == HF_OK &&
	       (entry.remove || hf_repo_has(repo, entry.oid));
}

bool hf_record_git_is_whole(struct hf_repo *repo, const struct hf_intent *intent,
			    const char *commit, const char *tip)
{
	for (size_t i = 0; i < intent->file_count; i++)
		if (!has_entry(repo, commit, intent->files[i].path) ||
		    !has_entry(repo, tip, intent->files[i].path))
			return false;
	return true;
}
