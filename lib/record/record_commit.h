/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_GIT_H
#define HF_RECORD_GIT_H

/*
 * The commit of a record: made before the record's COMMIT, led to after it (record/record.h).
 *
 *	stage	blobs of the files as they will be, and a commit upon the tip that was seen:
 *		objects, which nothing leads to yet
 *	redo	the index; then the ref. A tip that has moved is built upon
 *	find	is it done?
 *
 * The commit bears the record's id as a trailer, and the author, the committer and the time that
 * stand in the intent, so that redo makes the same commit again where nothing has changed.
 *
 * When a crash lies between, somebody else may have committed the same paths meanwhile. His commit
 * came after the record, which was durable by then. So the history gets both, in that order: the
 * record's commit, and upon it one that has those paths as he committed them. HEAD, the index and
 * the worktree keep his version; no commit is lost or taken back. (For an append there is nothing
 * to be put right: what is committed is the file with all that it has.)
 *
 * A `git reset` or the like that looked at the branch before it was moved can take the commit out
 * of it again. So the branch is looked at once more at the end. If it has lost the commit, the
 * commit is made again upon its tip; but if it is not checked out any more, it is left, and
 * reported.
 *
 * The caller holds the repository's turnstile and has index.lock. Blocks and errors are
 * git/repo.h's.
 */

#include "record/record_file.h"
#include "git/repo.h"

#define HF_RECORD_TRAILER "Holdfast-Record"

struct hf_record_git {
	struct hf_repo *repo;
	const struct hf_intent *intent; /* its files are paths in the tree, changes in order */
	struct hf_repo_change *changes;
	struct stat *stats; /* what changes point to */
	bool *left;	    /* appended to, and moved away since: the commit leaves it as it is */
	char commit[HF_OID_SIZE];
	bool elsewhere; /* its branch is not checked out any more */
	bool lost;	/* and does not have the commit any more */
};

/* The intent's message: the user's, cleaned up, with the trailer; to be freed. */
enum hf_status hf_record_git_message(const char *text, const char *id, char **message,
				     struct hf_err *err);

/* Is there a commit of the record in the history of tip? *commit; HF_NO: none. */
enum hf_status hf_record_git_find(struct hf_repo *repo, const struct hf_intent *intent,
				  const char *tip, char commit[HF_OID_SIZE], struct hf_err *err);

/* Blobs of the files, which are staged or in place, and the commit upon `tip`. To be ended. */
enum hf_status hf_record_git_stage(struct hf_record_git *g, struct hf_repo *repo,
				   const struct hf_intent *intent,
				   const struct hf_record_file *files, const char *tip,
				   int64_t deadline, struct hf_err *err);

/* The new index, beside the old: what it cannot take is refused. */
enum hf_status hf_record_git_prepare(struct hf_record_git *g, struct hf_err *err);

/* Index and ref. tip is the one that was staged upon. In g->commit stands the record's commit. */
enum hf_status hf_record_git_redo(struct hf_record_git *g, const struct hf_record_file *files,
				  const char *tip, int64_t deadline, struct hf_err *err);

/* Is all there that the record's commit has of its paths, and that the branch has at tip? */
bool hf_record_git_is_whole(struct hf_repo *repo, const struct hf_intent *intent,
			    const char *commit, const char *tip);

/* What was staged upon tip, and what others have committed of it upon that, is what stands in the
 * branch already: it is kept (git/prune_guard.h), and durable. *target is where the branch was
 * moved. */
enum hf_status hf_record_git_renew(struct hf_record_git *g, const struct hf_record_file *files,
				   const char *tip, char target[HF_OID_SIZE], int64_t deadline,
				   struct hf_err *err);

void hf_record_git_end(struct hf_record_git *g);

#endif
