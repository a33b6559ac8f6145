/* SPDX-License-Identifier: ISC */
#include "git/commit_object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "git/commit_ident.h"
#include "git/commit_message.h"
#include "git/object_batch.h"
#include "git/user_program.h"

/* Return the text of a commit, which the caller frees; NULL with errno. encoding NULL: UTF-8,
 * without a header. */
static char *format_commit(const char *tree, const char *parent, const char *encoding,
			   const char *message, const struct hf_commit_ident *author,
			   const struct hf_commit_ident *committer)
{
	char *authored = hf_commit_ident_format(author);
	char *committed = hf_commit_ident_format(committer), *text = NULL;
	bool plain = !encoding || strcasecmp(encoding, "utf-8") == 0 ||
		     strcasecmp(encoding, "utf8") == 0;

	if (!authored || !committed ||
	    asprintf(&text, "tree %s\n%s%s%sauthor %s\ncommitter %s\n%s%s%s\n%s", tree,
		     parent[0] ? "parent " : "", parent, parent[0] ? "\n" : "", authored, committed,
		     plain ? "" : "encoding ", plain ? "" : encoding, plain ? "" : "\n",
		     message) < 0) {
		text = NULL;
		errno = ENOMEM;
	}
	free(authored);
	free(committed);
	return text;
}

enum hf_status hf_repo_message(struct hf_repo *repo, const char *text, const char *trailer,
			       char **message, struct hf_err *err)
{
	struct hf_cleanup cleanup = {0};
	char *how = NULL, *comment = NULL;
	enum hf_status status = repo->ops->config(repo, "commit.cleanup", &how, err);

	if (status == HF_OK && strcmp(how, "strip") == 0) {
		status = repo->ops->config(repo, "core.commentchar", &comment, err);
		cleanup.comment = comment && !comment[1] ? *comment : '#';
	}
	cleanup.verbatim = how && strcmp(how, "verbatim") == 0;
	free(how);
	free(comment);
	return status == HF_OK || status == HF_NO
		       ? hf_commit_message_make(text, cleanup, trailer, message, err)
		       : status;
}

enum hf_status hf_commit_make(struct hf_repo *repo, const char *tree, const char *tip,
			      const char *message, const struct hf_commit_ident *author,
			      const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			      struct hf_err *err)
{
	char *encoding = NULL, *text;
	enum hf_status status = hf_repo_is_set(repo, "commit.gpgsign", false, err);

	bool sign = status == HF_OK;

	if (status == HF_OK || status == HF_NO)
		status = repo->ops->config(repo, "i18n.commitencoding", &encoding, err);
	if (status != HF_OK && status != HF_NO)
		return status;
	text = format_commit(tree, tip, encoding, message, author, committer);
	if (!text)
		status = hf_fail_errno(err, "cannot make a commit");
	else if (sign)
		status = hf_program_sign(repo, text, tree, tip, message, author, committer, oid,
					 err);
	else
		status = hf_object_store(
			repo, &(struct hf_object_source){"commit", text, -1, strlen(text)}, oid,
			err);
	free(text);
	free(encoding);
	return status;
}

/* Copy the object name after `key` at the start of text; return the rest, NULL if it is not
 * there. */
static const char *parse_line(const struct hf_repo *repo, const char *text, const char *key,
			      char oid[HF_OID_SIZE])
{
	size_t len = strlen(key), size = 2 * repo->oid_size;

	if (!text || strncmp(text, key, len) != 0 ||
	    strspn(text + len, "0123456789abcdef") != size || text[len + size] != '\n')
		return NULL;
	if (oid)
		snprintf(oid, HF_OID_SIZE, "%.*s", (int)size, text + len);
	return text + len + size + 1;
}

enum hf_status hf_commit_read(struct hf_repo *repo, const char *commit, char tree[HF_OID_SIZE],
			      char parent[HF_OID_SIZE], struct hf_err *err)
{
	void *text = NULL;
	size_t size;
	enum hf_status status = repo->ops->read(repo, "commit", commit, &text, &size, err);
	const char *rest;

	if (status != HF_OK)
		return status;
	rest = parse_line(repo, text, "tree ", tree);
	if (!rest)
		status = hf_fail(err, HF_DATA, "commit %s of '%s' is damaged", commit,
				 hf_repo_name(repo));
	else if (parent && !parse_line(repo, rest, "parent ", parent))
		parent[0] = '\0';
	free(text);
	return status;
}
