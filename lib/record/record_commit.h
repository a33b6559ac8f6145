/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_GIT_H
#define HF_RECORD_GIT_H

/*
 * The Git commit of a record: made before the record's COMMIT, led to after it. README.md says
 * what happens to concurrent commits and resets.
 *
 *	hf_record_git_stage(), hf_repo_prepare() with its changes, COMMIT, hf_record_git_redo()
 *	recovery: hf_record_git_find(); _stage() and the rest, or _stage() and _renew()
 *	finally hf_record_git_end()
 *
 * The caller holds the repository's turnstile and index.lock. Blocks and errors are git/repo.h's.
 * A crash leaves objects that nothing leads to, and what redo repeats. For single-threaded tools.
 */

#include "record/record_file.h"
#include "git/repo.h"

#define HF_RECORD_TRAILER "Holdfast-Record"

struct hf_record_git {
	struct hf_repo *repo;
	const struct hf_intent *intent; /* its files are paths in the tree */
	struct hf_record_file *files;	/* and changes: in the intent's order */
	struct hf_repo_change *changes;
	int64_t deadline;
	char tip[HF_OID_SIZE];	  /* the commit is made on it */
	char commit[HF_OID_SIZE]; /* the record's */
	char target[HF_OID_SIZE]; /* where the ref is moved to: that, or what is put back on it */
	bool elsewhere;		  /* the branch is not checked out any more */
	bool lost;		  /* and it does not have the commit any more */
};

/* Make the intent's message: the user's, cleaned up, with the trailer. The caller frees it. */
enum hf_status hf_record_git_message(struct hf_repo *repo, const char *text, const char *id,
				     char **message, struct hf_err *err);

/* Find the record's commit in the history of tip. HF_NO: there is none. */
enum hf_status hf_record_git_find(struct hf_repo *repo, const struct hf_intent *intent,
				  const char *tip, char commit[HF_OID_SIZE], struct hf_err *err);

/* Make blobs of the files, which are staged or in place, and the commit on `tip`. End with
 * hf_record_git_end(). */
enum hf_status hf_record_git_stage(struct hf_record_git *g, struct hf_repo *repo,
				   const struct hf_intent *intent, struct hf_record_file *files,
				   const char *tip, int64_t deadline, struct hf_err *err);

/* Install the index and move the ref. */
enum hf_status hf_record_git_redo(struct hf_record_git *g, struct hf_err *err);

/* Return true if every object of the record's paths exists, in its commit and in the branch at tip.
 */
bool hf_record_git_is_whole(struct hf_repo *repo, const struct hf_intent *intent,
			    const char *commit, const char *tip);

/* The objects that were staged, and concurrent commits that are put back on them, are what the
 * branch has already: protect them from a prune (git/prune_guard.h), and make them durable. */
enum hf_status hf_record_git_renew(struct hf_record_git *g, struct hf_err *err);

void hf_record_git_end(struct hf_record_git *g);

#endif
