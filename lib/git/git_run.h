/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_RUN_H
#define HF_GIT_RUN_H

/*
 * Running git(1) on a repository, as a part of this program.
 *
 * It is told which repository is meant (GIT_DIR, GIT_WORK_TREE), whatever the environment says of
 * another one, and works in the worktree's top directory. (With repo->by_cwd it is not told, and
 * looks where it is, as it does for a user.) It runs no hooks, starts no editor, asks
 * no questions, collects no garbage, takes paths literally, speaks English, and syncs what it
 * writes (core.fsync, Git 2.36; earlier ones sync less).
 *
 * Input and output are files without a name (memfd_create(2)), not pipes: nobody waits for anybody.
 * It inherits index.lock's descriptor while that is held (git/index_lock.h). A signal from the
 * terminal reaches it as it reaches us.
 *
 * Waits for it to end; so long as Git or one of its filters takes. Not async-signal-safe.
 */

#include "git/repo_backend.h"

struct hf_git {
	struct hf_repo *repo;
	const char *const *args; /* NULL-terminated */
	const void *input;	 /* standard input; or NULL */
	size_t size;
	int fd;		   /* standard input if input is NULL: a file, from its beginning; or -1 */
	const char *index; /* another index than the worktree's, in the Git directory; or NULL */
	const struct hf_commit_ident *author, *committer; /* or NULL */
	bool by_name; /* a command that takes paths literally, and must not be told to */
};

struct hf_git_out {
	char *text; /* standard output, with a NUL behind it */
	size_t size;
	int status;    /* exit status, or 128 + the signal */
	bool said;     /* there is something on its standard error … */
	char why[512]; /* … of which this is the first line */
};

/* HF_OK: it ran; out is to be released by hf_git_free(). HF_UNAVAILABLE: there is no git. */
enum hf_status hf_git_run(const struct hf_git *git, struct hf_git_out *out, struct hf_err *err);
void hf_git_free(struct hf_git_out *out);

/* The same for a command that reads nothing. */
enum hf_status hf_git_ask_args(struct hf_repo *repo, const char *const *args,
			       struct hf_git_out *out, struct hf_err *err);
#define HF_ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define hf_git_ask(repo, out, err, ...) hf_git_ask_args((repo), HF_ARGS(__VA_ARGS__), (out), (err))

/* Take the object's name that it has printed, and release out. */
enum hf_status hf_git_oid(struct hf_git_out *out, const char *what, const char *on,
			  char oid[HF_OID_SIZE], struct hf_err *err);

/* "git cannot WHAT 'ON': why", and its status. */
enum hf_status hf_git_failed(const struct hf_git_out *out, const char *what, const char *on,
			     struct hf_err *err);

#endif
