/* SPDX-License-Identifier: ISC */
#include "git/git2_backend.h"

#include <stdlib.h>
#include <string.h>

#include "git/git2_open.h"
#include "git/git2_index.h"
#include "git/git2_objects.h"
#include "git/commit_message.h"
#include "git/ref_read.h"
#include "git/ref_update.h"

enum { MAX_COMMITS = 10000 };

static enum hf_status git2_ignored(struct hf_repo *repo, const char *path, struct hf_err *err)
{
	int yes, code = git_ignore_path_is_ignored(&yes, hf_git2(repo)->repo, path);

	if (code)
		return hf_git2_failed(code, err, "read the ignore rules for", path);
	return yes ? HF_OK : HF_NO;
}

/* Return 0, GIT_ENOTFOUND, or another error. */
static int find_tip(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE])
{
	git_commit *commit = NULL;
	git_oid oid;
	int code = git_reference_name_to_id(&oid, hf_git2(repo)->repo, ref);

	tip[0] = '\0';
	if (code)
		return code;
	code = git_commit_lookup(&commit, hf_git2(repo)->repo, &oid);
	git_commit_free(commit);
	if (code) /* also if it is not found: the ref leads to nothing */
		return GIT_ERROR;
	git_oid_tostr(tip, HF_OID_SIZE, &oid);
	return 0;
}

static enum hf_status git2_tip(struct hf_repo *repo, const char *ref, char oid[HF_OID_SIZE],
			       struct hf_err *err)
{
	int code = find_tip(repo, ref, oid);

	return code && code != GIT_ENOTFOUND ? hf_git2_failed(code, err, "read the commit of", ref)
					     : HF_OK;
}

static enum hf_status git2_history(struct hf_repo *repo, const char *ref, char now[HF_OID_SIZE],
				   char before[HF_OID_SIZE], struct hf_err *err)
{
	const git_reflog_entry *last;
	git_reflog *log = NULL;
	git_oid oid;
	int code = git_reference_name_to_id(&oid, hf_git2(repo)->repo, ref);

	now[0] = before[0] = '\0';
	if (code)
		return code == GIT_ENOTFOUND
			       ? HF_OK
			       : hf_git2_failed(code, err, "read the commit of", ref);
	git_oid_tostr(now, HF_OID_SIZE, &oid);
	if (git_reflog_read(&log, hf_git2(repo)->repo, ref) == 0 &&
	    (last = git_reflog_entry_byindex(log, 0)) &&
	    git_oid_equal(git_reflog_entry_id_new(last), &oid) &&
	    !git_oid_is_zero(git_reflog_entry_id_old(last)))
		git_oid_tostr(before, HF_OID_SIZE, git_reflog_entry_id_old(last));
	git_reflog_free(log);
	return HF_OK;
}

static bool git2_has(struct hf_repo *repo, const char *oid)
{
	git_oid id;

	return git_oid_fromstr(&id, oid) == 0 && git_odb_exists(hf_git2(repo)->odb, &id);
}

/* Move a locked ref. HF_NO: it is not at `was`. */
static enum hf_status git2_move_locked(struct hf_repo *repo, git_transaction *transaction,
				       const char *ref, const char *was, const char *commit,
				       const char *reflog, const git_signature *who,
				       struct hf_err *err)
{
	char now[HF_OID_SIZE];
	git_oid oid;
	enum hf_status status = hf_ref_check_direct(repo, ref, err);
	int code;

	if (status != HF_OK)
		return status;
	code = find_tip(repo, ref, now);
	if (code && code != GIT_ENOTFOUND)
		return hf_git2_failed(code, err, "read the commit of", ref);
	if (strcmp(now, was) != 0)
		return hf_fail(err, HF_NO, "'%s' has moved in the meantime", ref);
	code = git_oid_fromstr(&oid, commit);
	if (!code)
		code = git_transaction_set_target(transaction, ref, &oid, who, reflog);
	if (!code)
		code = git_transaction_commit(transaction);
	return code ? hf_git2_failed(code, err, "move", ref) : HF_OK;
}

static enum hf_status git2_move(struct hf_repo *repo, const char *ref, const char *was,
			   const char *commit, const char *reflog,
			   const struct hf_commit_ident *who, struct hf_err *err)
{
	git_transaction *transaction = NULL;
	git_signature *signature = NULL;
	enum hf_status status;
	int code;

	status = hf_sync_batch_run(&repo->names, err);
	if (status != HF_OK)
		return status;
	code = git_signature_new(&signature, who->name, who->email, who->time, who->offset);
	if (!code)
		code = git_transaction_new(&transaction, hf_git2(repo)->repo);
	if (!code)
		code = git_transaction_lock_ref(transaction, ref);
	status = code ? hf_git2_failed(code, err, "lock", ref)
		      : git2_move_locked(repo, transaction, ref, was, commit, reflog, signature,
					 err);
	git_transaction_free(transaction);
	git_signature_free(signature);
	return status;
}

static enum hf_status find_in_walk(struct hf_repo *repo, git_revwalk *revwalk, const char *trailer,
				   char found[HF_OID_SIZE], struct hf_err *err)
{
	git_oid oid;
	int code;

	for (int i = 0; i < MAX_COMMITS; i++) {
		git_commit *commit = NULL;
		bool has;

		code = git_revwalk_next(&oid, revwalk);
		if (code == GIT_ITEROVER)
			return HF_NO;
		if (!code)
			code = git_commit_lookup(&commit, hf_git2(repo)->repo, &oid);
		if (code)
			return hf_git2_failed(code, err, "read the history of", hf_repo_name(repo));
		has = hf_commit_message_has(git_commit_message(commit), trailer);
		git_commit_free(commit);
		if (has) {
			git_oid_tostr(found, HF_OID_SIZE, &oid);
			return HF_OK;
		}
	}
	return HF_NO;
}

static enum hf_status git2_find(struct hf_repo *repo, const char *from, const char *base,
				const char *trailer, char commit[HF_OID_SIZE], struct hf_err *err)
{
	git_revwalk *revwalk = NULL;
	enum hf_status status;
	git_oid oid;
	int code = git_revwalk_new(&revwalk, hf_git2(repo)->repo);

	if (!code)
		code = git_oid_fromstr(&oid, from);
	if (!code)
		code = git_revwalk_push(revwalk, &oid);
	/* a commit that is gone hides nothing */
	if (!code && base[0] && git_oid_fromstr(&oid, base) == 0)
		(void)!git_revwalk_hide(revwalk, &oid);
	status = code ? hf_git2_failed(code, err, "read the history of", hf_repo_name(repo))
		      : find_in_walk(repo, revwalk, trailer, commit, err);
	git_revwalk_free(revwalk);
	return status;
}

const struct hf_repo_ops hf_repo_git2 = {
	.name = "libgit2",
	.close = hf_git2_close,
	.config = hf_git2_config,
	.ignored = git2_ignored,
	.tip = git2_tip,
	.was = git2_history,
	.has = git2_has,
	.read = hf_git2_read,
	.index_open = hf_git2_index_open,
	.index_change = hf_git2_index_change,
	.index_write = hf_git2_index_write,
	.index_drop = hf_git2_index_drop,
	.move = git2_move,
	.find = git2_find,
	.pack = hf_git2_pack,
};

enum hf_status hf_repo_git2_open(struct hf_repo *repo, const struct hf_gitdir *found,
				 bool by_environment, struct hf_err *err)
{
	repo->ops = &hf_repo_git2;
	return hf_git2_open(repo, found, by_environment, err);
}
