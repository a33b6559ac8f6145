/* SPDX-License-Identifier: ISC */
#include "git/repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "git/git2_backend.h"
#include "git/git_cli_backend.h"
#include "git/git_cli_objects.h"
#include "git/index_read.h"
#include "git/object_batch.h"
#include "git/plain.h"
#include "git/plain_rules.h"
#include "git/ref_read.h"
#include "git/tree_builder.h"
#include <holdfast/clock.h>

static void close_back_end(struct hf_repo *repo)
{
	if (repo->ops)
		repo->ops->close(repo);
	hf_repo_base_close(repo);
	repo->ops = NULL;
}

/* Open with libgit2, or with git(1) where something is not plain (git/R9). */
static enum hf_status open_with(struct hf_repo *repo, const struct hf_gitdir *found,
				bool by_environment, struct hf_err *err)
{
	const char *variable = hf_plain_variable();
	enum hf_status status;
	struct hf_err ours;

	snprintf(repo->plain.unknown, sizeof(repo->plain.unknown), "%s", variable ? variable : "");
	status = variable ? hf_repo_not_plain(
				    repo, found->worktree[0] ? found->worktree : found->git, err)
			  : hf_repo_git2_open(repo, found, by_environment, err);
	if (status != HF_UNAVAILABLE)
		return status;
	close_back_end(repo);
	repo->plain.no_objects = HF_WITHOUT(plain);
	status = hf_repo_plumbing_open(repo, found, by_environment, &ours);
	/* without git in PATH, libgit2's reason is the one to report */
	if (status == HF_UNAVAILABLE && repo->no_git)
		hf_advise(err, "install git, or add it to PATH: it can do this");
	else if (status != HF_OK)
		*err = ours;
	return status;
}

enum hf_status hf_repo_open(struct hf_repo **out, const char *dir, struct hf_err *err)
{
	struct hf_repo *repo = calloc(1, sizeof(*repo));
	struct hf_gitdir found;
	enum hf_status status;

	*out = NULL;
	if (!repo)
		return hf_fail_errno(err, "cannot open a repository");
	repo->git = repo->common = repo->objects = repo->lock = -1;
	status = hf_gitdir_find(&found, dir, err);
	if (status == HF_OK)
		status = open_with(repo, &found, !dir, err);
	if (status == HF_OK)
		*out = repo;
	else
		hf_repo_close(repo);
	return status;
}

void hf_repo_close(struct hf_repo *repo)
{
	if (!repo)
		return;
	hf_repo_unlock(repo);
	hf_repo_objects_done(repo);
	hf_programs_forget(repo);
	hf_index_forget(repo);
	close_back_end(repo);
	free(repo);
}

const char *hf_repo_workdir(const struct hf_repo *repo)
{
	return repo->workdir;
}

const char *hf_repo_gitdir(const struct hf_repo *repo)
{
	return repo->gitdir;
}

const char *hf_repo_commondir(const struct hf_repo *repo)
{
	return repo->commondir;
}

/* ---- what can be done ----------------------------------------------------------------------- */

enum hf_status hf_repo_check(struct hf_repo *repo, struct hf_commit_ident *author,
			     struct hf_commit_ident *committer, struct hf_err *err)
{
	static const struct {
		const char *name, *what;
	} states[] = {
		{"MERGE_HEAD", "a merge"},	    {"rebase-merge", "a rebase"},
		{"rebase-apply", "a rebase or am"}, {"CHERRY_PICK_HEAD", "a cherry-pick"},
		{"REVERT_HEAD", "a revert"},	    {"sequencer", "a cherry-pick or revert"},
		{"BISECT_LOG", "a bisect"},
	};
	struct stat st;

	if (!repo->workdir[0])
		return hf_fail(err, HF_DATA, "'%s' is a bare repository: it has no files",
			       repo->gitdir);
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (sys_fstatat(repo->git, states[i].name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		hf_fail(err, HF_DATA, "cannot commit to '%s': %s is under way there", repo->workdir,
			states[i].what);
		hf_advise(err, "finish it or abort it first: see 'git status'");
		return HF_DATA;
	}
	return hf_commit_ident(repo, author, committer, err);
}

enum hf_status hf_repo_mode(struct hf_repo *repo, const char *tree_path, const struct stat *st,
			    unsigned int *mode, struct hf_err *err)
{
	struct hf_index_answer found;
	enum hf_status status;

	*mode = S_ISLNK(st->st_mode) ? 0120000 : st->st_mode & S_IXUSR ? 0100755 : 0100644;
	if (S_ISLNK(st->st_mode))
		return HF_OK;
	status = hf_repo_is_set(repo, "core.filemode", true, err);
	if (status != HF_NO)
		return status;
	/* core.fileMode is false: keep the mode of the index */
	status = hf_index_find(repo, "index", tree_path, &found, err);
	*mode = status == HF_OK && found.mode == 0100755 ? 0100755 : 0100644;
	return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Refuse a branch without commits whose name another branch blocks: "a" blocks "a/b". */
static enum hf_status check_unborn(struct hf_repo *repo, const char *ref, struct hf_err *err)
{
	char *name = strdup(ref), tip[HF_OID_SIZE], *slash;
	enum hf_status status = name ? HF_OK : hf_fail_errno(err, "cannot read '%s'", ref);

	while (status == HF_OK && (slash = strrchr(name, '/')) &&
	       slash > name + strlen("refs/heads")) {
		*slash = '\0';
		status = repo->ops->tip(repo, name, tip, err);
		if (status == HF_OK && tip[0])
			status = hf_fail(err, HF_DATA,
					 "cannot commit to '%s': '%s' cannot be made beside '%s'",
					 repo->workdir, ref, name);
	}
	free(name);
	return status;
}

enum hf_status hf_repo_head(struct hf_repo *repo, char **ref, char tip[HF_OID_SIZE],
			    struct hf_err *err)
{
	enum hf_status status = hf_repo_branch(repo, ref, err);

	if (status != HF_OK)
		return status;
	status = repo->ops->tip(repo, *ref, tip, err);
	if (status == HF_OK && !tip[0])
		status = check_unborn(repo, *ref, err);
	if (status == HF_OK)
		return HF_OK;
	free(*ref);
	*ref = NULL;
	return status;
}

/* Set *same to true if this path is the same in the index and in the tip. */
static enum hf_status is_as_in(struct hf_repo *repo, const char *tip, const char *path, bool *same,
			       struct hf_err *err)
{
	struct hf_repo_change entry = {.path = path, .remove = true};
	struct hf_index_answer staged;
	enum hf_status status = hf_index_find(repo, "index", path, &staged, err);

	if (status == HF_OK && tip[0])
		status = hf_repo_entry(repo, tip, &entry, err);
	*same = staged.merged == !entry.remove &&
		(entry.remove || (entry.mode == staged.mode && strcmp(entry.oid, staged.oid) == 0));
	return status;
}

enum hf_status hf_repo_is_switched(struct hf_repo *repo, const char *tip, const char *const *paths,
				   size_t count, bool *is, struct hf_err *err)
{
	bool same = true;
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < count && status == HF_OK && same; i++)
		status = is_as_in(repo, tip, paths[i], &same, err);
	*is = status == HF_OK && !same && hf_keep_is_switched(repo);
	return status;
}

enum hf_status hf_repo_tip(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
			   struct hf_err *err)
{
	return repo->ops->tip(repo, ref, tip, err);
}

enum hf_status hf_repo_branch(struct hf_repo *repo, char **ref, struct hf_err *err)
{
	enum hf_status status = hf_ref_head(repo, ref, err);

	return status == HF_UNAVAILABLE && repo->ops->head ? repo->ops->head(repo, ref, err)
							   : status;
}

enum hf_status hf_repo_ref_history(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
				   char before[HF_OID_SIZE], struct hf_err *err)
{
	return repo->ops->was(repo, ref, tip, before, err);
}

enum hf_status hf_repo_parent(struct hf_repo *repo, const char *commit, char parent[HF_OID_SIZE],
			      struct hf_err *err)
{
	return hf_commit_read(repo, commit, NULL, parent, err);
}

bool hf_repo_has(struct hf_repo *repo, const char *oid)
{
	return repo->ops->has(repo, oid);
}

enum hf_status hf_repo_find(struct hf_repo *repo, const char *tip, const char *base,
			    const char *trailer, char commit[HF_OID_SIZE], struct hf_err *err)
{
	enum hf_status status = HF_NO;

	if (tip[0])
		status = repo->ops->find(repo, tip, base, trailer, commit, err);
	if (status == HF_OK && !hf_tip_is_durable(repo, tip))
		status = hf_repo_sync_all(repo, err);
	return status;
}

enum hf_status hf_repo_protect(struct hf_repo *repo, struct hf_err *err)
{
	enum hf_status status = hf_prune_pack(repo, err);

	if (status == HF_OK)
		status = hf_objects_sync_packs(repo, err);
	return status == HF_OK ? hf_sync_batch_run(&repo->names, err) : status;
}

enum hf_status hf_repo_sync_with(struct hf_repo *repo, int fd, const char *what, struct hf_err *err)
{
	return hf_sync_batch_lend(&repo->contents, fd, what, err);
}

struct hf_sync_batch *hf_repo_sync_batch(struct hf_repo *repo)
{
	return &repo->names;
}

void hf_repo_objects_done(struct hf_repo *repo)
{
	hf_objects_discard(repo);
	hf_objects_forget(repo);
}

/* ---- writing -------------------------------------------------------------------------------- */

enum hf_status hf_repo_blob(struct hf_repo *repo, const char *tree_path, int fd,
			    char oid[HF_OID_SIZE], struct hf_err *err)
{
	enum hf_conversion how;
	enum hf_status status = hf_plain_conversion(repo, tree_path, fd, &how, err);
	struct stat st;

	if (status == HF_OK && how != HF_CONVERT_NOTHING)
		status = hf_program_convert(repo, tree_path, fd, how == HF_CONVERT_BY_PROGRAM, oid,
					    err);
	else if (status == HF_OK && sys_fstat(fd, &st) < 0)
		status = hf_fail_errno(err, "cannot read the new content");
	else if (status == HF_OK)
		status = hf_object_store(
			repo, &(struct hf_object_source){"blob", NULL, fd, (size_t)st.st_size}, oid,
			err);
	return hf_prune_explain(repo, status, err);
}

static enum hf_status fail_not_locked(const struct hf_repo *repo, struct hf_err *err)
{
	return hf_fail(err, HF_BUG, "the index of '%s' is not locked", hf_repo_name(repo));
}

void hf_repo_unlock(struct hf_repo *repo)
{
	hf_repo_cancel(repo);
	hf_index_unlock(repo);
}

enum hf_status hf_repo_prepare(struct hf_repo *repo, const struct hf_repo_change *changes,
			       size_t count, struct hf_err *err)
{
	return repo->lock < 0 ? fail_not_locked(repo, err)
			      : hf_index_prepare(repo, changes, count, err);
}

enum hf_status hf_repo_index(struct hf_repo *repo, const struct hf_repo_change *changes,
			     size_t count, struct hf_err *err)
{
	enum hf_status status;

	if (repo->lock < 0)
		return fail_not_locked(repo, err);
	status = hf_prune_explain(repo, hf_objects_settle(repo, err), err);
	hf_objects_discard(repo);
	return status == HF_OK ? hf_index_change(repo, changes, count, err) : status;
}

enum hf_status hf_repo_commit(struct hf_repo *repo, const char *tip,
			      const struct hf_repo_change *changes, size_t count,
			      const char *message, const struct hf_commit_ident *author,
			      const struct hf_commit_ident *committer, char commit[HF_OID_SIZE],
			      struct hf_err *err)
{
	char base[HF_OID_SIZE] = "", tree[HF_OID_SIZE];
	enum hf_status status = tip[0] ? hf_commit_read(repo, tip, base, NULL, err) : HF_OK;

	if (status == HF_OK)
		status = hf_tree_change(repo, base, changes, count, tree, err);
	if (status == HF_OK)
		status = hf_commit_make(repo, tree, tip, message, author, committer, commit, err);
	if (status == HF_OK)
		status = hf_objects_settle(repo, err);
	status = hf_prune_explain(repo, status, err);
	hf_objects_discard(repo);
	return status;
}

enum hf_status hf_repo_entry(struct hf_repo *repo, const char *commit,
			     struct hf_repo_change *change, struct hf_err *err)
{
	char tree[HF_OID_SIZE];
	enum hf_status status = hf_commit_read(repo, commit, tree, NULL, err);

	if (status == HF_OK)
		status = hf_tree_entry(repo, tree, change, err);
	return hf_prune_explain(repo, status, err);
}

enum hf_status hf_repo_update_ref(struct hf_repo *repo, const char *ref, const char *tip,
				  const char *commit, const char *reflog,
				  const struct hf_commit_ident *who, int64_t deadline,
				  struct hf_err *err)
{
	bool has_dir = hf_ref_has_dir(repo, ref);
	struct hf_backoff backoff;
	enum hf_status status = hf_backoff_init(&backoff, NULL, deadline, err);

	if (status == HF_OK && tip[0] && !hf_tip_is_durable(repo, tip))
		status = hf_repo_sync_all(repo, err);
	if (status != HF_OK)
		return status;
	do
		status = hf_ref_is_plain(repo, ref)
				 ? hf_ref_move(repo, ref, tip, commit, reflog, who, err)
				 : repo->ops->move(repo, ref, tip, commit, reflog, who, err);
	while (status == HF_BUSY && hf_backoff_sleep(&backoff));
	if (status == HF_OK && !has_dir)
		status = hf_ref_sync(repo, ref, err);
	if (status == HF_OK)
		hf_tip_durable(repo, commit);
	return status;
}
