/* SPDX-License-Identifier: ISC */
#include "git/git_cli_pack.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/array.h"
#include "git/git_cli_objects.h"
#include "git/object_batch.h"

/* An object that is kept: its entry in a pack (gitformat-pack). */
struct hf_unstored {
	char oid[HF_OID_SIZE];
	unsigned char *entry;
	size_t size;
};

enum { COMMIT = 1, TREE = 2, BLOB = 3, MAX_HEAD = 16, PACK_HEAD = 12 };

/* Make the entry of a pack: type and size, then the content, deflated. */
static bool make_entry(struct hf_unstored *kept, const struct hf_object_source *source)
{
	unsigned int type = *source->type == 'c' ? COMMIT : *source->type == 't' ? TREE : BLOB;
	uLongf packed = compressBound(source->size);
	unsigned char *at = malloc(MAX_HEAD + packed);
	size_t rest = source->size >> 4;

	kept->entry = at;
	if (!at)
		return false;
	*at++ = (unsigned char)((rest ? 128 : 0) | type << 4 | (source->size & 15));
	for (; rest; rest >>= 7)
		*at++ = (unsigned char)((rest > 127 ? 128 : 0) | (rest & 127));
	if (compress2(at, &packed, source->bytes, source->size, Z_BEST_SPEED) != Z_OK)
		return false;
	kept->size = (size_t)(at - kept->entry) + packed;
	return true;
}

static enum hf_status fail_no_memory(struct hf_err *err)
{
	return hf_fail(err, HF_OS, "cannot make a commit: out of memory");
}

enum hf_status hf_git_store(struct hf_repo *repo, const struct hf_object_source *source,
			    char oid[HF_OID_SIZE], struct hf_err *err)
{
	const struct hf_git git = {
		.repo = repo,
		.args = HF_ARGS("hash-object", "-w", "-t", source->type, "--no-filters", "--stdin"),
		.fd = source->fd};
	struct hf_unstored *kept;

	if (!source->bytes)
		return hf_git_store_by(&git, oid, source->type, err);
	hf_object_hash(repo, source->type, source->bytes, source->size, oid);
	kept = hf_array_add(&repo->unstored, &repo->unstored_count, sizeof(*kept));
	if (!kept || !make_entry(kept, source))
		return fail_no_memory(err);
	memcpy(kept->oid, oid, sizeof(kept->oid));
	return HF_OK;
}

void hf_git_forget_kept(struct hf_repo *repo)
{
	for (size_t i = 0; i < repo->unstored_count; i++)
		free(repo->unstored[i].entry);
	free(repo->unstored);
	repo->unstored = NULL;
	repo->unstored_count = 0;
}

static unsigned char *make_pack(const struct hf_repo *repo, size_t *size)
{
	unsigned char head[PACK_HEAD] = {'P', 'A', 'C', 'K', 0, 0, 0, 2};
	unsigned char *pack, *end;

	*size = PACK_HEAD + repo->oid_size;
	for (size_t i = 0; i < repo->unstored_count; i++)
		*size += repo->unstored[i].size;
	for (int i = 0; i < 4; i++)
		head[8 + i] = (unsigned char)(repo->unstored_count >> (24 - 8 * i));
	pack = malloc(*size);
	if (!pack)
		return NULL;
	end = mempcpy(pack, head, sizeof(head));
	for (size_t i = 0; i < repo->unstored_count; i++)
		end = mempcpy(end, repo->unstored[i].entry, repo->unstored[i].size);
	hf_bytes_hash(repo, pack, (size_t)(end - pack), end);
	return pack;
}

enum hf_status hf_git_store_kept(struct hf_repo *repo, struct hf_err *err)
{
	struct hf_git git = {.repo = repo, .args = HF_ARGS("unpack-objects", "-q")};
	enum hf_status status;
	struct hf_git_out out;
	unsigned char *pack;

	if (!repo->unstored_count)
		return HF_OK;
	pack = make_pack(repo, &git.size);
	if (!pack)
		return fail_no_memory(err);
	git.input = pack;
	status = hf_git_run(&git, &out, err);
	if (status == HF_OK && out.status)
		status = hf_git_failed(&out, "store objects of", hf_repo_name(repo), err);
	for (size_t i = 0; i < repo->unstored_count && status == HF_OK; i++) {
		status = hf_objects_add(repo, repo->unstored[i].oid, err);
		/* in a pack */
		status = status == HF_NO ? HF_OK : status;
	}
	hf_git_free(&out);
	free(pack);
	hf_git_forget_kept(repo);
	return status;
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
