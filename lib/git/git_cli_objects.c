/* SPDX-License-Identifier: ISC */
#include "git/git_cli_objects.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "git/git_run.h"
#include "git/object_batch.h"

/* Store an object and add it to the batch (git/R1): Git syncs what it writes, but neither an
 * existing object nor its name. */
static enum hf_status cli_store_object(const struct hf_git *git, char oid[HF_OID_SIZE],
				       const char *on, struct hf_err *err)
{
	struct hf_git_out out;
	enum hf_status status = hf_git_run(git, &out, err);

	if (status == HF_OK)
		status = hf_git_oid(&out, "store", on, oid, err);
	if (status == HF_OK)
		status = hf_objects_add(git->repo, oid, err);
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_git_blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			   struct hf_err *err)
{
	char as[PATH_MAX + 8];
	const struct hf_git git = {
		.repo = repo, .args = HF_ARGS("hash-object", "-w", "--stdin", as), .fd = fd};

	snprintf(as, sizeof(as), "--path=%s", path);
	return cli_store_object(&git, oid, path, err);
}

enum hf_status hf_git_store(struct hf_repo *repo, const char *type, const void *bytes, size_t size,
			    char oid[HF_OID_SIZE], struct hf_err *err)
{
	const struct hf_git git = {.repo = repo,
				   .args = HF_ARGS("hash-object", "-w", "-t", type, "--stdin"),
				   .input = bytes,
				   .size = size};

	return cli_store_object(&git, oid, type, err);
}

enum hf_status hf_git_read(struct hf_repo *repo, const char *type, const char *oid, void **bytes,
			   size_t *size, struct hf_err *err)
{
	struct hf_git_out out;
	enum hf_status status = hf_git_ask(repo, &out, err, "cat-file", type, oid);

	if (status == HF_OK && out.status) {
		status = hf_git_failed(&out, "read object", oid, err);
		hf_git_free(&out);
	}
	*bytes = out.text;
	*size = out.size;
	return status;
}

enum hf_status hf_git_sign(struct hf_repo *repo, const char *tree, const char *parent,
			   const char *message, const struct hf_commit_ident *author,
			   const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			   struct hf_err *err)
{
	const struct hf_git git = {
		.repo = repo,
		.args = HF_ARGS("commit-tree", "-S", tree, parent[0] ? "-p" : NULL, parent),
		.input = message,
		.size = strlen(message),
		.author = author,
		.committer = committer,
	};
	/* Git checks that the tree exists */
	enum hf_status status = hf_objects_settle(repo, err);

	return status == HF_OK ? cli_store_object(&git, oid, "a signed commit", err) : status;
}

enum hf_status hf_git_pack(struct hf_repo *repo, struct hf_err *err)
{
	char base[PATH_MAX + 32], *list = malloc(repo->made_count * HF_OID_SIZE + 1), *end = list;
	struct hf_git git = {.repo = repo, .args = HF_ARGS("pack-objects", "-q", base)};
	struct hf_git_out out;
	enum hf_status status;

	if (!list)
		return hf_fail_errno(err, "cannot pack objects of '%s'", hf_repo_name(repo));
	snprintf(base, sizeof(base), "%s/objects/pack/pack", repo->commondir);
	for (size_t i = 0; i < repo->made_count; i++)
		end = stpcpy(stpcpy(end, repo->made[i]), "\n");
	git.input = list;
	git.size = (size_t)(end - list);
	status = hf_git_run(&git, &out, err);
	if (status == HF_OK && out.status)
		status = hf_git_failed(&out, "pack objects of", hf_repo_name(repo), err);
	hf_git_free(&out);
	free(list);
	return status;
}
