/* SPDX-License-Identifier: ISC */
#include "git/git2_objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "git/git2_open.h"

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
