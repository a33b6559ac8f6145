/* SPDX-License-Identifier: ISC */
#ifndef HF_USER_PROGRAM_H
#define HF_USER_PROGRAM_H

/*
 * Run the user's programs, filters and those that sign, while no lock is held.
 *
 *	hf_repo_defer_programs(repo, true)
 *	hf_repo_blob(), hf_repo_commit()	HF_NO: a program must run first
 *	release index.lock and all that others wait for
 *	hf_repo_run_programs()
 *	lock again and repeat: what the programs have made is taken, if it is made from the same
 *
 * A result belongs to the path and the content, or to the text of the commit; if these have
 * changed, the program runs again. Results are kept until the repository is closed. A program
 * inherits no lock. For single-threaded programs.
 */

#include "git/repo_backend.h"

/* Defer programs, or run them at once. */
void hf_repo_defer_programs(struct hf_repo *repo, bool defer);

/* End a program that still runs at the deadline: HF_BUSY. Each has a second at least. */
void hf_repo_limit_programs(struct hf_repo *repo, int64_t deadline);

/* Return true if a program must run. Run these programs. */
bool hf_repo_awaits_program(const struct hf_repo *repo);
enum hf_status hf_repo_run_programs(struct hf_repo *repo, struct hf_err *err);

/* Run the deferred programs with index.lock released, and take it again, to
 * the deadline. */
enum hf_status hf_repo_run_unlocked(struct hf_repo *repo, int64_t deadline, struct hf_err *err);

/* Store a content as Git converts it for path. filter: it may run a filter. HF_NO: deferred. */
enum hf_status hf_program_convert(struct hf_repo *repo, const char *path, int fd, bool filter,
				  char oid[HF_OID_SIZE], struct hf_err *err);

/* Sign and store a commit. text is what it is without a signature. HF_NO: deferred. */
enum hf_status hf_program_sign(struct hf_repo *repo, const char *text, const char *tree,
			       const char *parent, const char *message,
			       const struct hf_commit_ident *author,
			       const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			       struct hf_err *err);

void hf_programs_forget(struct hf_repo *repo);

#endif
