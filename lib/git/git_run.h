/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_RUN_H
#define HF_GIT_RUN_H

/*
 * Run git(1) on a repository, as a part of this program.
 *
 * git(1) gets the repository by GIT_DIR and GIT_WORK_TREE and runs in the top directory of the
 * worktree; with repo->by_cwd it finds the repository itself. README.md lists what is switched off.
 * Input and output are files without names (memfd_create(2)). It inherits the descriptor of
 * index.lock.
 *
 * Waits for git(1) and its filters without a limit. A terminal's signal reaches git(1) as it
 * reaches this process. Not async-signal-safe.
 */

#include <sys/types.h>

#include "git/repo_backend.h"

struct hf_git {
	struct hf_repo *repo;
	const char *const *args; /* NULL-terminated */
	const void *input;	 /* standard input; or NULL */
	size_t size;
	int fd;		   /* standard input if input is NULL: a file, read from its beginning; or
			    * -1 */
	const char *index; /* another index file in the git directory; or NULL */
	const struct hf_commit_ident *author, *committer; /* or NULL */
	bool by_name; /* a command that takes paths literally and has no option for it */
};

struct hf_git_out {
	char *text; /* standard output, NUL-terminated */
	size_t size;
	int status;    /* exit status, or 128 + the signal */
	bool late;     /* ended at repo->program_deadline */
	bool said;     /* standard error is not empty … */
	char why[512]; /* … and this is its first line */
};

/* Return git's path, found once along PATH, of which relative parts do not count; NULL: it is not
 * there. */
const char *hf_git_program(void);

/* Start git(1) with these standard files. Return 0 or an errno; ENOENT: git is not in PATH. */
int hf_git_spawn(const struct hf_git *git, const int files[3], pid_t *pid);
enum hf_status hf_git_fail_absent(struct hf_repo *repo, struct hf_err *err);

/* Run git(1). HF_OK: it ran; free out with hf_git_free(). HF_UNAVAILABLE: git is not in PATH. */
enum hf_status hf_git_run(const struct hf_git *git, struct hf_git_out *out, struct hf_err *err);
void hf_git_free(struct hf_git_out *out);

/* Run a git command without input. */
enum hf_status hf_git_ask_args(struct hf_repo *repo, const char *const *args,
			       struct hf_git_out *out, struct hf_err *err);
#define HF_ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define hf_git_ask(repo, out, err, ...) hf_git_ask_args((repo), HF_ARGS(__VA_ARGS__), (out), (err))

/* Take the object name from its output, and free out. */
enum hf_status hf_git_oid(struct hf_git_out *out, const char *what, const char *on,
			  char oid[HF_OID_SIZE], struct hf_err *err);

/* Report "git cannot WHAT 'ON': why" and return the status for it. */
enum hf_status hf_git_failed(const struct hf_git_out *out, const char *what, const char *on,
			     struct hf_err *err);

#endif
