/* SPDX-License-Identifier: ISC */
#include "git/user_program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/copy.h"
#include "base/sys.h"
#include "git/git_cli_objects.h"
#include "git/index_lock.h"
#include "git/index_update.h"
#include "git/object_batch.h"
#include <holdfast/clock.h>

/* The time that a program has even if locks are not waited for. */
#define MIN_TIME HF_SECOND

/* A program that has run, or must run. */
struct hf_program {
	char *from; /* what the result is made from: "SHA-256 PATH", or the text of a commit */
	char oid[HF_OID_SIZE]; /* "": it must run */
	char *path;	       /* of a content to filter; NULL: a commit to sign */
	int fd;
	char tree[HF_OID_SIZE], parent[HF_OID_SIZE];
	char *message;
	struct hf_commit_ident author, committer;
};

void hf_repo_defer_programs(struct hf_repo *repo, bool defer)
{
	repo->defers_programs = defer;
}

void hf_repo_limit_programs(struct hf_repo *repo, int64_t deadline)
{
	repo->program_limit = deadline;
}

bool hf_repo_awaits_program(const struct hf_repo *repo)
{
	for (size_t i = 0; i < repo->program_count; i++)
		if (!repo->programs[i].oid[0])
			return true;
	return false;
}

static void free_program(struct hf_program *program)
{
	if (program->fd >= 0)
		sys_close(program->fd);
	free(program->from);
	free(program->path);
	free(program->message);
	free(program->author.name);
	free(program->author.email);
	free(program->committer.name);
	free(program->committer.email);
}

void hf_programs_forget(struct hf_repo *repo)
{
	for (size_t i = 0; i < repo->program_count; i++)
		free_program(&repo->programs[i]);
	free(repo->programs);
	repo->programs = NULL;
	repo->program_count = 0;
}

/* Forget the programs that must run. */
static void forget_waiting(struct hf_repo *repo)
{
	size_t kept = 0;

	for (size_t i = 0; i < repo->program_count; i++)
		if (repo->programs[i].oid[0])
			repo->programs[kept++] = repo->programs[i];
		else
			free_program(&repo->programs[i]);
	repo->program_count = kept;
}

/* Run the program. Its content is closed at once: the descriptor shares the lock of the file. */
static enum hf_status run_program(struct hf_repo *repo, struct hf_program *program,
				  struct hf_err *err)
{
	const int64_t least = hf_deadline_in(MIN_TIME);
	enum hf_status status;

	if (repo->program_limit)
		repo->program_deadline = repo->program_limit > least ? repo->program_limit : least;
	status = program->path
			 ? hf_git_blob(repo, program->path, program->fd, program->oid, err)
			 : hf_git_sign(repo, program->tree, program->parent, program->message,
				       &program->author, &program->committer, program->oid, err);

	repo->program_deadline = 0;
	if (program->fd >= 0)
		sys_close(program->fd);
	program->fd = -1;
	return status;
}

enum hf_status hf_repo_run_programs(struct hf_repo *repo, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < repo->program_count && status == HF_OK; i++)
		if (!repo->programs[i].oid[0])
			status = run_program(repo, &repo->programs[i], err);
	if (status != HF_OK)
		forget_waiting(repo);
	hf_objects_discard(repo);
	return status;
}

/* Take the result that was made from the same. HF_NO: there is none, or it is gone. */
static enum hf_status take_result(struct hf_repo *repo, const char *from, char oid[HF_OID_SIZE],
				  struct hf_err *err)
{
	for (size_t i = 0; i < repo->program_count; i++) {
		struct hf_program *program = &repo->programs[i];
		enum hf_status status;

		if (!program->oid[0] || strcmp(program->from, from) != 0)
			continue;
		status = hf_objects_add(repo, program->oid, err);
		snprintf(oid, HF_OID_SIZE, "%s", program->oid);
		if (status == HF_NO)
			program->from[0] = '\0';
		return status;
	}
	return HF_NO;
}

static enum hf_status fail_no_memory(struct hf_err *err)
{
	return hf_fail(err, HF_OS, "cannot make a commit: out of memory");
}

/* Run the program now, or note that it must run: HF_NO. Takes over what is in program. */
static enum hf_status run_or_defer(struct hf_repo *repo, struct hf_program *program, bool whole,
				   bool may_defer, char oid[HF_OID_SIZE], struct hf_err *err)
{
	struct hf_program *added;
	enum hf_status status = HF_OK;

	if (whole && !(may_defer && repo->defers_programs))
		status = run_program(repo, program, err);
	snprintf(oid, HF_OID_SIZE, "%s", program->oid);
	added = whole && status == HF_OK
			? hf_array_add(&repo->programs, &repo->program_count, sizeof(*added))
			: NULL;
	if (added)
		*added = *program;
	else
		free_program(program);
	if (status != HF_OK)
		return status;
	return !added ? fail_no_memory(err) : added->oid[0] ? HF_OK : HF_NO;
}

enum hf_status hf_program_convert(struct hf_repo *repo, const char *path, int fd, bool filter,
				  char oid[HF_OID_SIZE], struct hf_err *err)
{
	struct hf_program program = {.path = strdup(path), .fd = -1};
	char hash[65];
	enum hf_status status = hf_sha256(fd, hash, path, err);
	bool whole;

	if (status == HF_OK && asprintf(&program.from, "%s %s", hash, path) < 0) {
		program.from = NULL;
		status = fail_no_memory(err);
	}
	if (status == HF_OK)
		status = take_result(repo, program.from, oid, err);
	if (status != HF_NO) {
		free_program(&program);
		return status;
	}
	program.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	whole = program.path && program.fd >= 0;
	return run_or_defer(repo, &program, whole, filter, oid, err);
}

static bool copy_ident(struct hf_commit_ident *to, const struct hf_commit_ident *from)
{
	*to = *from;
	to->name = strdup(from->name);
	to->email = strdup(from->email);
	return to->name && to->email;
}

enum hf_status hf_program_sign(struct hf_repo *repo, const char *text, const char *tree,
			       const char *parent, const char *message,
			       const struct hf_commit_ident *author,
			       const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			       struct hf_err *err)
{
	struct hf_program program = {.fd = -1};
	enum hf_status status = take_result(repo, text, oid, err);
	bool whole;

	if (status != HF_NO)
		return status;
	/* Git checks that the tree exists */
	status = hf_objects_settle(repo, err);
	if (status != HF_OK)
		return status;
	snprintf(program.tree, sizeof(program.tree), "%s", tree);
	snprintf(program.parent, sizeof(program.parent), "%s", parent);
	program.from = strdup(text);
	program.message = strdup(message);
	whole = copy_ident(&program.author, author);
	whole = copy_ident(&program.committer, committer) && whole;
	return run_or_defer(repo, &program, whole && program.from && program.message, true, oid,
			    err);
}

enum hf_status hf_repo_run_unlocked(struct hf_repo *repo, int64_t deadline, struct hf_err *err)
{
	struct hf_backoff backoff;
	enum hf_status status;

	hf_repo_cancel(repo);
	hf_index_unlock(repo);
	status = hf_repo_run_programs(repo, err);
	if (status == HF_OK)
		status = hf_backoff_init(&backoff, NULL, deadline, err);
	if (status != HF_OK)
		return status;
	do
		status = hf_repo_lock(repo, repo->record, err);
	while (status == HF_BUSY && hf_backoff_sleep(&backoff));
	return status;
}
