/* SPDX-License-Identifier: ISC */
#include "git/git2_objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "git/git_cli_objects.h"
#include "git/loose_object.h"
#include "git/git2_open.h"
#include "git/commit_message.h"
#include "git/object_batch.h"
#include "git/tree_builder.h"
#include "base/sys.h"

enum {
	PIECE = 64 * 1024,
	SMALL = 1024 * 1024, /* a blob up to this size is made in memory */
};

/* Store an object in the staging directory, where there are no unnamed files. */
static enum hf_status put_staged(struct hf_repo *repo, git_object_t type, const void *bytes,
				 size_t size, char oid[HF_OID_SIZE], struct hf_err *err)
{
	enum hf_status status = hf_objects_begin(repo, err);
	git_oid id;
	int code;

	if (status != HF_OK)
		return status;
	hf_git2_sync(false);
	code = git_odb_write(&id, hf_git2(repo)->staging, bytes, size, type);
	hf_git2_sync(true);
	if (code)
		return hf_git2_failed(code, err, "write an object of", hf_repo_name(repo));
	git_oid_tostr(oid, HF_OID_SIZE, &id);
	status = hf_objects_add(repo, oid, err);
	return status == HF_NO ? HF_OK : status;
}

/* Store an object; it is durable after hf_objects_settle(). An existing one gets a new time and a
 * file of its own (git/K3). */
static enum hf_status git2_store_object(struct hf_repo *repo, git_object_t type, const void *bytes,
					size_t size, char oid[HF_OID_SIZE], struct hf_err *err)
{
	enum hf_status status;
	git_oid id;
	int fd;

	if (git_odb_hash(&id, bytes, size, type))
		return hf_git2_failed(GIT_ERROR, err, "write an object of", hf_repo_name(repo));
	git_oid_tostr(oid, HF_OID_SIZE, &id);
	status = hf_loose_object_write(repo, git_object_type2string(type), oid, bytes, size, &fd,
				       err);
	if (status == HF_UNAVAILABLE)
		return put_staged(repo, type, bytes, size, oid, err);
	if (status == HF_NO) {
		status = hf_objects_add(repo, oid, err);
		/* removed in the meantime */
		return status == HF_NO ? put_staged(repo, type, bytes, size, oid, err) : status;
	}
	if (status != HF_OK)
		return status;
	return hf_objects_add_unnamed(repo, oid, fd, err);
}

static enum hf_status git2_put_tree(void *context, const void *bytes, size_t size,
				    char oid[HF_OID_SIZE], struct hf_err *err)
{
	return git2_store_object(context, GIT_OBJECT_TREE, bytes, size, oid, err);
}

static enum hf_status git2_get_tree(void *context, const char *oid, void **bytes, size_t *size,
				    struct hf_err *err)
{
	struct hf_repo *repo = context;
	git_odb_object *object = NULL;
	enum hf_status status = HF_OK;
	git_oid id;
	int code = git_oid_fromstr(&id, oid);

	if (!code)
		code = git_odb_read(&object, hf_git2(repo)->odb, &id);
	if (!code && git_odb_object_type(object) != GIT_OBJECT_TREE) {
		git_odb_object_free(object);
		return hf_fail(err, HF_DATA, "object %s of '%s' is no tree", oid,
			       hf_repo_name(repo));
	}
	if (code)
		return hf_git2_failed(code, err, "read a tree of", hf_repo_name(repo));
	*size = git_odb_object_size(object);
	*bytes = malloc(*size + 1);
	if (*bytes)
		memcpy(*bytes, git_odb_object_data(object), *size);
	else
		status = hf_fail_errno(err, "cannot read a tree");
	git_odb_object_free(object);
	return status;
}

enum hf_status hf_git2_tree(struct hf_repo *repo, const char *parent,
			    const struct hf_repo_change *changes, size_t count,
			    char oid[HF_OID_SIZE], struct hf_err *err)
{
	struct hf_tree_store store = {
		.get = git2_get_tree, .put = git2_put_tree, .context = repo, .oid_size = HF_SHA1};
	char base[HF_OID_SIZE] = "";
	git_commit *commit = NULL;
	git_oid id;
	int code = parent[0] ? git_oid_fromstr(&id, parent) : 0;

	if (!code && parent[0])
		code = git_commit_lookup(&commit, hf_git2(repo)->repo, &id);
	if (code)
		return hf_git2_failed(code, err, "read commit", parent);
	if (commit)
		git_oid_tostr(base, sizeof(base), git_commit_tree_id(commit));
	git_commit_free(commit);
	return hf_tree_change(&store, base, changes, count, oid, err);
}

/* Walk from a tree to the entry at path, and free the tree. GIT_ENOTFOUND with *absent: no such
 * entry. A missing tree on the way is another error. */
static int find_tree_entry(struct hf_repo *repo, git_tree *tree, const char *path,
			   git_tree_entry **found, bool *absent)
{
	int code = 0;

	while (!code) {
		size_t len = strcspn(path, "/");
		char *name = strndup(path, len);
		const git_tree_entry *entry = name ? git_tree_entry_byname(tree, name) : NULL;
		git_tree *below = NULL;

		free(name);
		*absent = name && (!entry || (path[len] &&
					      git_tree_entry_type(entry) != GIT_OBJECT_TREE));
		if (!name || *absent)
			code = name ? GIT_ENOTFOUND : GIT_ERROR;
		else if (!path[len])
			break;
		else
			code = git_tree_lookup(&below, hf_git2(repo)->repo,
					       git_tree_entry_id(entry));
		git_tree_free(tree);
		tree = below;
		path += len + !!path[len];
	}
	if (!code)
		code = git_tree_entry_dup(found, git_tree_entry_byname(tree, path));
	git_tree_free(tree);
	return code;
}

enum hf_status hf_git2_entry(struct hf_repo *repo, const char *commit,
			     struct hf_repo_change *change, struct hf_err *err)
{
	git_commit *object = NULL;
	git_tree *tree = NULL;
	git_tree_entry *found = NULL;
	bool absent = false;
	git_oid id;
	int code = git_oid_fromstr(&id, commit);

	if (!code)
		code = git_commit_lookup(&object, hf_git2(repo)->repo, &id);
	if (!code)
		code = git_commit_tree(&tree, object);
	if (!code)
		code = find_tree_entry(repo, tree, change->path, &found, &absent);
	change->remove = absent;
	if (!code) {
		change->mode = (unsigned int)git_tree_entry_filemode(found);
		git_oid_tostr(change->oid, sizeof(change->oid), git_tree_entry_id(found));
	}
	git_tree_entry_free(found);
	git_commit_free(object);
	return code && !absent ? hf_git2_failed(code, err, "read commit", commit) : HF_OK;
}

enum hf_status hf_git2_commit(struct hf_repo *repo, const char *tree_id, const char *parent,
			      const char *message, const struct hf_commit_ident *author,
			      const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
			      struct hf_err *err)
{
	char *encoding = NULL, *text;
	enum hf_status status = hf_repo_is_set(repo, "commit.gpgsign", err);

	if (status == HF_OK)
		return hf_git_commit(repo, tree_id, parent, message, author, committer, oid, err);
	if (status == HF_NO)
		status = hf_git2_config(repo, "i18n.commitencoding", &encoding, err);
	if (status != HF_OK && status != HF_NO)
		return status;
	text = hf_commit_text(tree_id, parent, encoding, message, author, committer);
	status = text ? git2_store_object(repo, GIT_OBJECT_COMMIT, text, strlen(text), oid, err)
		      : hf_fail_errno(err, "cannot make a commit");
	free(text);
	free(encoding);
	return status;
}

/* Read the next piece at `at`. HF_IO also if the file has become shorter. */
static enum hf_status read_piece(int fd, void *piece, size_t size, off_t at, struct hf_err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = sys_pread(fd, (char *)piece + done, size - done, at + (off_t)done);

		if (n == 0)
			return hf_fail(err, HF_IO, "cannot read the new content: it was cut short");
		if (n < 0 && errno != EINTR)
			return hf_fail_errno(err, "cannot read the new content");
		done += n > 0 ? (size_t)n : 0;
	}
	return HF_OK;
}

static enum hf_status small_blob(struct hf_repo *repo, int fd, size_t size, char oid[HF_OID_SIZE],
				 struct hf_err *err)
{
	char *bytes = malloc(size + 1);
	enum hf_status status;

	if (!bytes)
		return hf_fail_errno(err, "cannot read the new content");
	status = read_piece(fd, bytes, size, 0, err);
	if (status == HF_OK)
		status = git2_store_object(repo, GIT_OBJECT_BLOB, bytes, size, oid, err);
	free(bytes);
	return status;
}

static enum hf_status stream_blob(struct hf_repo *repo, git_odb_stream *stream, int fd, off_t size,
				  struct hf_err *err)
{
	char piece[PIECE];
	enum hf_status status = HF_OK;
	int code = 0;

	for (off_t at = 0; at < size && status == HF_OK && !code; at += PIECE) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		status = read_piece(fd, piece, n, at, err);
		if (status == HF_OK)
			code = git_odb_stream_write(stream, piece, n);
	}
	return code ? hf_git2_failed(code, err, "write an object of", hf_repo_name(repo)) : status;
}

/* Store a large blob in constant memory. */
static enum hf_status large_blob(struct hf_repo *repo, int fd, off_t size, char oid[HF_OID_SIZE],
				 struct hf_err *err)
{
	git_odb_stream *stream = NULL;
	enum hf_status status = hf_objects_begin(repo, err);
	git_oid id;
	int code;

	if (status != HF_OK)
		return status;
	code = git_odb_open_wstream(&stream, hf_git2(repo)->staging, size, GIT_OBJECT_BLOB);
	if (code)
		return hf_git2_failed(code, err, "write an object of", hf_repo_name(repo));
	status = stream_blob(repo, stream, fd, size, err);
	hf_git2_sync(false);
	if (status == HF_OK)
		code = git_odb_stream_finalize_write(&id, stream);
	hf_git2_sync(true);
	if (code)
		status = hf_git2_failed(code, err, "write an object of", hf_repo_name(repo));
	git_odb_stream_free(stream);
	if (status != HF_OK)
		return status;
	git_oid_tostr(oid, HF_OID_SIZE, &id);
	return hf_objects_add(repo, oid, err);
}

/* How Git would convert the content of a path. */
enum conversion { AS_IT_IS, LINE_ENDS, BY_GIT };

static enum hf_status conversion_of(struct hf_repo *repo, const char *path,
				    enum conversion *conversion, struct hf_err *err)
{
	enum { FILTER, ENCODING, IDENT, TEXT, EOL, CRLF, COUNT };
	static const char *names[COUNT] = {
		[FILTER] = "filter", [ENCODING] = "working-tree-encoding",
		[IDENT] = "ident",   [TEXT] = "text",
		[EOL] = "eol",	     [CRLF] = "crlf"};
	const char *values[COUNT], *autocrlf;
	int code = git_attr_get_many(values, hf_git2(repo)->repo, GIT_ATTR_CHECK_FILE_THEN_INDEX,
				     path, COUNT, names);

	if (code)
		return hf_git2_failed(code, err, "read the attributes of", path);
	*conversion =
		git_config_get_string(&autocrlf, hf_git2(repo)->config, "core.autocrlf") == 0 &&
				strcasecmp(autocrlf, "false") != 0
			? LINE_ENDS
			: AS_IT_IS;
	for (int i = 0; i < COUNT; i++)
		if (values[i] && !GIT_ATTR_IS_FALSE(values[i]))
			*conversion = i <= IDENT || *conversion == BY_GIT ? BY_GIT : LINE_ENDS;
	return HF_OK;
}

/* Find a CR in the file. On the way into the repository Git changes line ends only if there is
 * one. */
static enum hf_status has_cr(int fd, off_t size, bool *found, struct hf_err *err)
{
	char piece[PIECE];
	enum hf_status status = HF_OK;

	*found = false;
	for (off_t at = 0; at < size && status == HF_OK && !*found; at += PIECE) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		status = read_piece(fd, piece, n, at, err);
		*found = status == HF_OK && memchr(piece, '\r', n);
	}
	return status;
}

enum hf_status hf_git2_blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			    struct hf_err *err)
{
	enum conversion conversion = AS_IT_IS;
	enum hf_status status = conversion_of(repo, path, &conversion, err);
	bool by_git = conversion == BY_GIT;
	struct stat st;

	if (status == HF_OK && sys_fstat(fd, &st) < 0)
		return hf_fail_errno(err, "cannot read the new content");
	if (status == HF_OK && conversion == LINE_ENDS)
		status = has_cr(fd, st.st_size, &by_git, err);
	if (status != HF_OK)
		return status;
	if (by_git)
		return hf_git_blob(repo, path, fd, oid, err);
	return st.st_size <= SMALL ? small_blob(repo, fd, (size_t)st.st_size, oid, err)
				   : large_blob(repo, fd, st.st_size, oid, err);
}

enum hf_status hf_git2_pack(struct hf_repo *repo, struct hf_err *err)
{
	git_packbuilder *pack = NULL;
	git_oid id;
	int code = git_packbuilder_new(&pack, hf_git2(repo)->repo);

	if (!code)
		git_packbuilder_set_threads(pack, 1);
	for (size_t i = 0; i < repo->made_count && !code; i++) {
		code = git_oid_fromstr(&id, repo->made[i]);
		if (!code)
			code = git_packbuilder_insert(pack, &id, NULL);
	}
	if (!code)
		code = git_packbuilder_write(pack, NULL, 0, NULL, NULL);
	git_packbuilder_free(pack);
	return code ? hf_git2_failed(code, err, "pack objects of", hf_repo_name(repo)) : HF_OK;
}
