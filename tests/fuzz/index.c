/* SPDX-License-Identifier: ISC */
/*
 * Fuzzing of the look at a Git index: the file is the input, with a checksum that is right, none or
 * the input's own; and beside it a shared index that it may name.
 *
 * What must hold: an index with a right checksum is whole, one with a wrong checksum is not.
 */

#include <sha1.h>
#include <sha2.h>

#include "fuzz.h"
#include "git/index_check.h"
#include "git/index_read.h"

enum { RIGHT = 1, NONE = 2, SHA256 = 4, SHARED = 8, HEADED = 16, MOST = 65536 };

static size_t seal(uint8_t *out, size_t size, uint8_t flags)
{
	size_t n = flags & SHA256 ? HF_SHA256 : HF_SHA1;
	SHA1_CTX sha1;
	SHA2_CTX sha2;

	memset(out + size, 0, n);
	if (flags & NONE)
		return size + n;
	if (flags & SHA256) {
		SHA256Init(&sha2);
		SHA256Update(&sha2, out, size);
		SHA256Final(out + size, &sha2);
	} else {
		SHA1Init(&sha1);
		SHA1Update(&sha1, out, size);
		SHA1Final(out + size, &sha1);
	}
	return size + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[MOST + HF_SHA256];
	struct input in = {data, size};
	uint8_t flags = take_byte(&in), version = take_byte(&in);
	struct hf_repo repo = {.oid_size = flags & SHA256 ? HF_SHA256 : HF_SHA1};
	char path[512], name[16 + 2 * HF_SHA256] = "sharedindex.";
	size_t length = 0;
	enum hf_status status;
	struct hf_err err;

	if (flags & HEADED) {
		memcpy(file, "DIRC\0\0", 7);
		file[7] = version;
		length = 8;
	}
	if (in.left > MOST - length)
		in.left = MOST - length;
	memcpy(file + length, in.at, in.left);
	length += in.left;
	if (flags & (RIGHT | NONE))
		length = seal(file, length, flags);
	put_file("index", file, length, false);
	if (flags & SHARED) { /* of the name in its middle, and as damaged as it is */
		for (size_t i = 0; i < repo.oid_size; i++)
			snprintf(name + strlen(name), 3, "%02x",
				 length > i + 12 ? file[i + 12] : 0);
		put_file(name, file, length, false);
	}
	repo.git = open(in_dir("", path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	repo.gitdir = repo.workdir = path;
	status = hf_index_check(&repo, "index", &err);
	require(status == HF_OK || status == HF_DATA);
	if (flags & RIGHT && flags & HEADED && length >= 12 + repo.oid_size)
		require((status == HF_OK) == (version >= 2 && version <= 4));
	/* git is asked only of a split index, which is not plain */
	if (hf_index_is_plain(&repo)) {
		struct hf_index_answer found;

		require(hf_index_find(&repo, "index", "a/b", &found, &err) == HF_OK);
		require(!found.mode || found.offset);
	}
	hf_index_forget(&repo);
	if (flags & SHARED)
		unlinkat(repo.git, name, 0);
	close(repo.git);
	return 0;
}
