/* SPDX-License-Identifier: ISC */
#include "git/git_cli_objects.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "git/git_run.h"
#include "git/index_read.h"
#include "git/object_batch.h"
#include "git/plain_rules.h"

enum hf_status hf_git_store_by(const struct hf_git *git, char oid[HF_OID_SIZE], const char *on,
			       struct hf_err *err)
{
	struct hf_git_out out;
	enum hf_status status = hf_git_run(git, &out, err);

	if (status == HF_OK)
		status = hf_git_oid(&out, "store", on, oid, err);
	if (status == HF_OK)
		status = hf_objects_add(git->repo, oid, err);
	return status == HF_NO ? HF_OK : status;
}

/* ---- line ends ------------------------------------------------------------------------------ */

/* The attributes that convert a content. */
enum { TEXT, CRLF, EOL, FIRST_OTHER, COUNT = FIRST_OTHER + 3 };

/* Parse "PATH\0NAME\0VALUE\0" for each attribute. */
static enum hf_status read_attributes(struct hf_repo *repo, const char *path,
				      const char *values[COUNT], struct hf_git_out *out,
				      struct hf_err *err)
{
	enum hf_status status =
		hf_git_ask(repo, out, err, "check-attr", "-z", "text", "crlf", "eol", "filter",
			   "ident", "working-tree-encoding", "--", path);
	const char *at = status == HF_OK ? out->text : NULL;

	if (status == HF_OK && out->status) {
		status = hf_git_failed(out, "read the attributes of", path, err);
		hf_git_free(out);
	}
	for (int i = 0; i < COUNT && status == HF_OK; i++) {
		for (int field = 0; field < 2; field++)
			at += strlen(at) + 1;
		values[i] = at;
		at += strlen(at) + 1;
		if (at > out->text + out->size)
			status = hf_fail(err, HF_DATA, "git cannot read the attributes of '%s'",
					 path);
	}
	return status;
}

static bool is_unspecified(const char *value)
{
	return strcmp(value, "unspecified") == 0;
}

/* Return true if Git takes this content for text that has CRLF line ends, as its convert.c does. */
static bool has_crlf(const unsigned char *bytes, size_t size)
{
	size_t crlf = 0, printable = 0, other = 0;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = bytes[i];

		if (c == '\r' && i + 1 < size && bytes[i + 1] == '\n') {
			crlf++;
			i++;
		} else if (c == '\r' || c == '\0') {
			return false;
		} else if (c == '\n') {
			continue;
		} else if (c == 127 || (c < 32 && !strchr("\b\t\033\014", c))) {
			/* ^Z at the end is MS-DOS's end of file */
			other += !(c == '\032' && i + 1 == size);
		} else {
			printable++;
		}
	}
	return crlf && printable >> 7 >= other;
}

/* Return true if the path has CRLF in the index: Git then keeps it where it would convert line ends
 * by itself. (`git hash-object --path` does not.) */
static enum hf_status has_crlf_in_index(struct hf_repo *repo, const char *path, bool *has,
					struct hf_err *err)
{
	struct hf_index_answer found;
	enum hf_status status = hf_index_find(repo, "index", path, &found, err);
	void *bytes = NULL;
	size_t size = 0;

	*has = false;
	if (status != HF_OK || (found.mode & 0170000) != 0100000)
		return status;
	status = repo->ops->read(repo, "blob", found.oid, &bytes, &size, err);
	*has = status == HF_OK && memchr(bytes, '\r', size) && has_crlf(bytes, size);
	free(bytes);
	return status;
}

/* How `git hash-object` is to convert a content. */
enum line_ends { AS_GIT, NO_FILTERS, NO_AUTOCRLF };

static enum hf_status choose_line_ends(struct hf_repo *repo, const char *path, enum line_ends *how,
				       struct hf_err *err)
{
	const char *values[COUNT];
	struct hf_git_out out = {0};
	enum hf_status status;
	bool has, others = false, by_attribute;

	*how = AS_GIT;
	status = has_crlf_in_index(repo, path, &has, err);
	if (status == HF_OK && has)
		status = read_attributes(repo, path, values, &out, err);
	if (status != HF_OK || !has)
		return status;
	for (int i = FIRST_OTHER; i < COUNT; i++)
		others = others || !(is_unspecified(values[i]) || strcmp(values[i], "unset") == 0);
	by_attribute =
		strcmp(is_unspecified(values[TEXT]) ? values[CRLF] : values[TEXT], "auto") == 0;
	if (by_attribute && others)
		status = hf_fail(
			err, HF_DATA,
			"cannot commit '%s': it has CRLF line ends in the index, and a filter",
			path);
	else if (by_attribute)
		*how = NO_FILTERS;
	else if (is_unspecified(values[TEXT]) && is_unspecified(values[CRLF]) &&
		 is_unspecified(values[EOL]))
		*how = NO_AUTOCRLF;
	hf_git_free(&out);
	return status;
}

/* ---- objects -------------------------------------------------------------------------------- */

enum hf_status hf_git_blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			   struct hf_err *err)
{
	char as[PATH_MAX + 8], autocrlf[] = "core.autocrlf=false";
	const char *const *const args[] = {
		[AS_GIT] = HF_ARGS("hash-object", "-w", "--stdin", as),
		[NO_FILTERS] = HF_ARGS("hash-object", "-w", "--stdin", "--no-filters"),
		[NO_AUTOCRLF] = HF_ARGS("-c", autocrlf, "hash-object", "-w", "--stdin", as),
	};
	struct hf_git git = {.repo = repo, .fd = fd};
	enum line_ends how = AS_GIT;
	bool cr;
	enum hf_status status = hf_plain_has_cr(fd, &cr, err);

	if (status == HF_OK && cr)
		status = choose_line_ends(repo, path, &how, err);
	if (status != HF_OK)
		return status;
	snprintf(as, sizeof(as), "--path=%s", path);
	git.args = args[how];
	return hf_git_store_by(&git, oid, path, err);
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

	return hf_git_store_by(&git, oid, "a signed commit", err);
}
