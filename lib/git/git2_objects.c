/* SPDX-License-Identifier: ISC */
#include "git/git2_objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "git/git2_open.h"
#include "git/git_cli_objects.h"
#include "git/object_batch.h"

enum { PIECE = 64 * 1024 };

enum hf_status hf_git2_store(struct hf_repo *repo, const char *type, const void *bytes, size_t size,
			     char oid[HF_OID_SIZE], struct hf_err *err)
{
	const struct hf_object_source source = {.type = type, .bytes = bytes, .size = size};

	return hf_objects_put(repo, &source, oid, err);
}

enum hf_status hf_git2_read(struct hf_repo *repo, const char *type, const char *oid, void **bytes,
			    size_t *size, struct hf_err *err)
{
	git_odb_object *object = NULL;
	enum hf_status status = HF_OK;
	git_oid id;
	int code = git_oid_fromstr(&id, oid);

	if (!code)
		code = git_odb_read(&object, hf_git2(repo)->odb, &id);
	if (code)
		return hf_git2_failed(code, err, "read object", oid);
	*size = git_odb_object_size(object);
	if (git_odb_object_type(object) != git_object_string2type(type))
		status = hf_fail(err, HF_DATA, "object %s of '%s' is not a %s", oid,
				 hf_repo_name(repo), type);
	else if (!(*bytes = calloc(1, *size + 1)))
		status = hf_fail_errno(err, "cannot read a %s", type);
	else
		memcpy(*bytes, git_odb_object_data(object), *size);
	git_odb_object_free(object);
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
	return hf_objects_put(
		repo, &(struct hf_object_source){"blob", NULL, fd, (size_t)st.st_size}, oid, err);
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
