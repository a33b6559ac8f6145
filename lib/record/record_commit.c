/* SPDX-License-Identifier: ISC */
#include "record/record_commit.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/clock.h>
#include "gitlock/git_locks.h"
#include "record/record_reapply.h"
#include "git/commit_message.h"
#include "base/sys.h"

/* Attempts: each time the tip has moved, another process made progress. */
enum { MAX_MOVES = 1000 };

/* How often the process checks again whether the ref's lock is stale. */
#define LOOK (HF_SECOND / 5)

static void trailer_of(char *out, size_t size, const char *id)
{
	snprintf(out, size, HF_RECORD_TRAILER ": %s", id);
}

enum hf_status hf_record_git_message(const char *text, const char *id, char **message,
				     struct hf_err *err)
{
	char trailer[sizeof(HF_RECORD_TRAILER) + HF_RECORD_ID + 2];

	trailer_of(trailer, sizeof(trailer), id);
	return hf_commit_message_make(text, trailer, message, err);
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

static enum hf_status stage_file(struct hf_record_git *g, size_t i, const struct hf_record_file *f,
				 struct hf_err *err)
{
	const struct hf_intent_file *plan = &g->intent->files[i];
	struct hf_repo_change *change = &g->changes[i];
	int fd = hf_record_file_content(f);
	enum hf_status status;
	struct stat st;

	change->path = plan->path;
	change->remove = plan->op == HF_RECORD_REMOVE;
	g->left[i] = !change->remove && fd < 0;
	if (change->remove || g->left[i])
		return HF_OK;
	if (sys_fstat(fd, &st) < 0)
		return hf_fail_errno(err, "cannot look at '%s'", f->path);
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

/* Set the files that the commit keeps to their version at this tip. */
static enum hf_status find_left(struct hf_record_git *g, const char *tip, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < g->intent->file_count && status == HF_OK; i++) {
		if (!g->left[i])
			continue;
		g->changes[i].remove = !*tip;
		if (*tip)
			status = hf_repo_entry(g->repo, tip, &g->changes[i], err);
	}
	return status;
}

static enum hf_status make_commit(struct hf_record_git *g, const char *tip, struct hf_err *err)
{
	const struct hf_intent *intent = g->intent;
	enum hf_status status = find_left(g, tip, err);

	if (status == HF_OK)
		status = hf_repo_commit(g->repo, tip, g->changes, intent->file_count,
					intent->message, &intent->author, &intent->committer,
					g->commit, err);

	return status == HF_OK ? check_commit(g, err) : status;
}

/* Repeat while a gc removes objects that nothing leads to yet. */
static enum hf_status stage_commit(struct hf_record_git *g, const struct hf_record_file *files,
				   const char *tip, int64_t deadline, struct hf_err *err)
{
	struct hf_backoff backoff;
	enum hf_status status = hf_backoff_init(&backoff, NULL, deadline, err);

	if (status != HF_OK)
		return status;
	do {
		hf_repo_objects_done(g->repo);
		status = HF_OK;
		for (size_t i = 0; i < g->intent->file_count && status == HF_OK; i++)
			status = stage_file(g, i, &files[i], err);
		if (status == HF_OK)
			status = make_commit(g, tip, err);
	} while (status == HF_BUSY && hf_backoff_sleep(&backoff));
	return status;
}

enum hf_status hf_record_git_stage(struct hf_record_git *g, struct hf_repo *repo,
				   const struct hf_intent *intent,
				   const struct hf_record_file *files, const char *tip,
				   int64_t deadline, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	*g = (struct hf_record_git){.repo = repo, .intent = intent};
	g->changes = calloc(intent->file_count + 1, sizeof(*g->changes));
	g->stats = calloc(intent->file_count + 1, sizeof(*g->stats));
	g->left = calloc(intent->file_count + 1, sizeof(*g->left));
	if (!g->changes || !g->stats || !g->left)
		status = hf_fail(err, HF_OS, "cannot make a commit: out of memory");
	if (status == HF_OK)
		status = stage_commit(g, files, tip, deadline, err);
	if (status != HF_OK)
		hf_record_git_end(g);
	return status;
}

enum hf_status hf_record_git_prepare(struct hf_record_git *g, struct hf_err *err)
{
	return hf_repo_prepare(g->repo, g->changes, g->intent->file_count, err);
}

void hf_record_git_end(struct hf_record_git *g)
{
	if (g->repo)
		hf_repo_cancel(g->repo);
	free(g->changes);
	free(g->stats);
	free(g->left);
	g->changes = NULL;
	g->stats = NULL;
	g->left = NULL;
}

/* ---- redo ----------------------------------------------------------------------------------- */

/* Put the files as they are in place into the index. A path that another process has committed
 * since gets that version in the index too. */
static enum hf_status edit_index(struct hf_record_git *g, const struct hf_record_file *files,
				 const bool *is_kept, struct hf_err *err)
{
	size_t count = g->intent->file_count, n = 0;
	struct hf_repo_change *edits = calloc(count + 1, sizeof(*edits));
	enum hf_status status = HF_OK;

	if (!edits)
		return hf_fail(err, HF_OS, "cannot edit the index: out of memory");
	for (size_t i = 0; i < count; i++) {
		struct hf_repo_change *edit = &edits[n];

		if (g->left[i] || (is_kept && is_kept[i]))
			continue;
		n++;
		*edit = g->changes[i];
		edit->st = NULL;
		/* stat again: its ctime has changed with its name */
		if ((files[i].applied || files[i].found_done) && !edit->remove &&
		    sys_fstat(hf_record_file_content(&files[i]), &g->stats[i]) == 0)
			edit->st = &g->stats[i];
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

static enum hf_status move_ref(const struct hf_record_git *g, const char *from, const char *to,
			       const char *reflog, int64_t deadline, struct hf_err *err)
{
	const struct hf_intent *intent = g->intent;
	enum hf_status status;

	do {
		int64_t soon = hf_deadline_in(LOOK);

		clear_ref_lock(g);
		status = hf_repo_update_ref(g->repo, intent->ref, from, to, reflog,
					    &intent->committer, soon < deadline ? soon : deadline,
					    err);
	} while (status == HF_BUSY && hf_time_left(deadline) > 0);
	return status;
}

struct hf_record_redo {
	struct hf_record_git *g;
	const struct hf_record_file *files;
	bool *is_kept; /* files whose other version is put back */
	int64_t deadline;
	char tip[HF_OID_SIZE], target[HF_OID_SIZE], reflog[200];
};

/* Make the commit to move to, on r->tip. anew: make all objects again. */
static enum hf_status make_target(struct hf_record_redo *r, bool anew, struct hf_err *err)
{
	struct hf_record_git *g = r->g;
	enum hf_status status = HF_OK;

	if (anew)
		status = stage_commit(g, r->files, r->tip, r->deadline, err);
	memcpy(r->target, g->commit, sizeof(r->target));
	memset(r->is_kept, 0, g->intent->file_count * sizeof(*r->is_kept));
	if (status == HF_OK && strcmp(r->tip, g->intent->tip) != 0)
		status = hf_record_reapply(g->repo, g->intent, g->changes, g->commit, r->tip,
					   r->is_kept, r->target, err);
	return status;
}

/* Make all objects that the ref leads to again. A signed commit then has another id. */
static enum hf_status remake_target(struct hf_record_redo *r, struct hf_err *err)
{
	char was[HF_OID_SIZE];
	enum hf_status status;

	memcpy(was, r->target, sizeof(was));
	status = make_target(r, true, err);
	if (status == HF_OK && strcmp(was, r->target) != 0)
		status = move_ref(r->g, was, r->target, r->reflog, r->deadline, err);
	return status;
}

/* After the ref is moved: git/R10. */
static enum hf_status protect_from_prune(struct hf_record_redo *r, struct hf_err *err)
{
	struct hf_repo *repo = r->g->repo;
	enum hf_status status = HF_OK;

	if (hf_repo_has_all(repo) && !hf_repo_is_pruned(repo))
		return HF_OK;
	do {
		if (!hf_repo_has_all(repo))
			status = remake_target(r, err);
		if (status == HF_OK)
			status = hf_repo_protect(repo, err);
	} while (status == HF_BUSY && hf_time_left(r->deadline) > 0);
	return status == HF_NO ? HF_IO : status;
}

/* Check the branch once more. *lost: it does not have the commit any more; r->tip is where it is.
 */
static enum hf_status check_branch_again(struct hf_record_redo *r, bool *lost, struct hf_err *err)
{
	struct hf_record_git *g = r->g;
	char now[HF_OID_SIZE], found[HF_OID_SIZE], *head = NULL;
	enum hf_status status = hf_repo_branch(g->repo, &head, err);

	*lost = false;
	if (status == HF_OK)
		g->elsewhere = strcmp(head, g->intent->ref) != 0;
	free(head);
	if (status == HF_OK)
		status = hf_repo_tip(g->repo, g->intent->ref, now, err);
	if (status != HF_OK || strcmp(now, r->target) == 0 || HF_WITHOUT(look_again))
		return status;
	status = *now ? hf_record_git_find(g->repo, g->intent, now, found, err) : HF_NO;
	if (status != HF_NO)
		return status;
	g->lost = g->elsewhere;
	*lost = !g->elsewhere && *now;
	memcpy(r->tip, now, sizeof(r->tip));
	return HF_OK;
}

static enum hf_status redo_commit(struct hf_record_redo *r, struct hf_err *err)
{
	struct hf_record_git *g = r->g;
	const struct hf_intent *intent = g->intent;
	enum hf_status status = HF_OK;

	snprintf(r->reflog, sizeof(r->reflog), "commit%s: %.*s", *r->tip ? "" : " (initial)",
		 (int)strcspn(intent->message, "\n"), intent->message);
	for (int moves = 0; moves < MAX_MOVES; moves++) {
		/* nothing leads to the staged objects: a gc may have removed them since */
		status = make_target(r, status == HF_BUSY || !hf_repo_has_all(g->repo), err);
		if (status == HF_OK)
			status = edit_index(g, r->files, r->is_kept, err);
		if (status == HF_OK)
			status = move_ref(g, r->tip, r->target, r->reflog, r->deadline, err);
		if (status == HF_OK) {
			bool lost;

			status = protect_from_prune(r, err);
			if (status == HF_OK)
				status = check_branch_again(r, &lost, err);
			if (status != HF_OK || !lost)
				return status;
			status = HF_NO;
		}
		if (status != HF_NO)
			return status;
		status = hf_repo_tip(g->repo, intent->ref, r->tip, err);
		/* nor is there a commit on which it could be made */
		if (status == HF_OK && !*r->tip && *intent->tip)
			status = hf_fail(err, HF_DATA, "'%s' is gone by now", intent->ref);
		if (status == HF_OK)
			status = make_commit(g, r->tip, err);
		if (status != HF_OK && status != HF_BUSY)
			return status;
	}
	return hf_fail(err, HF_BUSY, "cannot move '%s': it is moved by others all the time",
		       intent->ref);
}

/* After the ref is moved, with all that was made. */
static enum hf_status renew_objects(struct hf_record_redo *r, struct hf_err *err)
{
	struct hf_repo *repo = r->g->repo;
	enum hf_status status;

	do {
		status = make_target(r, !hf_repo_has_all(repo), err);
		if (status == HF_OK)
			status = hf_repo_protect(repo, err);
	} while (status == HF_BUSY && hf_time_left(r->deadline) > 0);
	return status;
}

static enum hf_status with_redo_state(struct hf_record_git *g, const struct hf_record_file *files,
				      const char *tip, int64_t deadline,
				      enum hf_status (*act)(struct hf_record_redo *r,
							    struct hf_err *err),
				      char target[HF_OID_SIZE], struct hf_err *err)
{
	size_t count = g->intent->file_count;
	struct hf_record_redo r = {
		.g = g,
		.files = files,
		.is_kept = calloc(count + 1, sizeof(*r.is_kept)),
		.deadline = deadline,
	};
	enum hf_status status;

	snprintf(r.tip, sizeof(r.tip), "%s", tip);
	if (r.is_kept)
		status = act(&r, err);
	else
		status = hf_fail(err, HF_OS, "cannot make a commit: out of memory");
	free(r.is_kept);
	memcpy(target, r.target, sizeof(r.target));
	return status;
}

enum hf_status hf_record_git_redo(struct hf_record_git *g, const struct hf_record_file *files,
				  const char *tip, int64_t deadline, struct hf_err *err)
{
	char target[HF_OID_SIZE];

	return with_redo_state(g, files, tip, deadline, redo_commit, target, err);
}

enum hf_status hf_record_git_renew(struct hf_record_git *g, const struct hf_record_file *files,
				   const char *tip, char target[HF_OID_SIZE], int64_t deadline,
				   struct hf_err *err)
{
	return with_redo_state(g, files, tip, deadline, renew_objects, target, err);
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
