/* SPDX-License-Identifier: ISC */
#include "git/index_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/copy.h"
#include "base/sys.h"
#include "git/index_read.h"
#include "git/index_walk.h"
#include "git/loose_object.h"

static void write32(unsigned char *at, uint64_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (24 - 8 * i));
}

static enum hf_status write_stat(int fd, size_t offset, const struct stat *st, const char *name,
				 struct hf_err *err)
{
	unsigned char times[HF_INDEX_MODE], rest[HF_INDEX_STAT - HF_INDEX_MODE - 4];

	write32(times, (uint64_t)st->st_ctim.tv_sec);
	write32(times + 4, (uint64_t)st->st_ctim.tv_nsec);
	write32(times + 8, (uint64_t)st->st_mtim.tv_sec);
	write32(times + 12, (uint64_t)st->st_mtim.tv_nsec);
	write32(times + 16, st->st_dev);
	write32(times + 20, st->st_ino);
	write32(rest, st->st_uid);
	write32(rest + 4, st->st_gid);
	write32(rest + 8, (uint64_t)st->st_size);
	if (hf_pwrite_all(fd, times, sizeof(times), (int64_t)offset, name, err) != HF_OK)
		return HF_IO;
	return hf_pwrite_all(fd, rest, sizeof(rest), (int64_t)offset + HF_INDEX_MODE + 4, name,
			     err);
}

/* Write the checksum again, unless the index has none. */
static enum hf_status write_checksum(struct hf_repo *repo, const char *name, int fd,
				     struct hf_err *err)
{
	static const unsigned char none[HF_SHA256];
	unsigned char sum[HF_SHA256];
	struct hf_index_bytes bytes;
	enum hf_status status = hf_index_map(repo, name, &bytes, err);
	size_t end;

	if (status != HF_OK)
		return status;
	end = bytes.size - repo->oid_size;
	if (memcmp(bytes.at + end, none, repo->oid_size) != 0) {
		hf_bytes_hash(repo, bytes.at, end, sum);
		status = hf_pwrite_all(fd, sum, repo->oid_size, (int64_t)end, name, err);
	}
	hf_index_unmap(&bytes);
	return status;
}

enum hf_status hf_index_set_stat(struct hf_repo *repo, const char *name,
				 const struct hf_repo_change *changes, size_t count,
				 struct hf_err *err)
{
	int fd = sys_openat(repo->git, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
	enum hf_status status = HF_OK;
	struct hf_index_answer found;
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return HF_OK;
	/* a link to the index itself, in which nothing changed */
	if (fd >= 0 && sys_fstat(fd, &st) == 0 && st.st_nlink > 1) {
		sys_close(fd);
		return HF_OK;
	}
	if (fd < 0)
		return hf_fail_errno(err, "cannot change the index");
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		if (changes[i].remove || !changes[i].st)
			continue;
		status = hf_index_find(repo, name, changes[i].path, &found, err);
		if (status == HF_OK && found.offset)
			status = write_stat(fd, found.offset, changes[i].st, name, err);
	}
	if (status == HF_OK)
		status = write_checksum(repo, name, fd, err);
	if (sys_close(fd) < 0 && status == HF_OK)
		status = hf_fail_errno(err, "cannot change the index");
	return status;
}
