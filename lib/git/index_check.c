/* SPDX-License-Identifier: ISC */
#include "git/index_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "git/loose_object.h"

#define SHARED "sharedindex."

enum { HEAD = 12, OLDEST = 2, NEWEST = 4 };

void hf_index_advise(const struct hf_repo *repo, struct hf_err *err)
{
	/* taken under the turnstile, when a dead process's index.lock is out of the way */
	hf_advise(err,
		  "move '%s/index' away, and make another one: lock-run --git '%s' git -C '%s' "
		  "reset",
		  repo->gitdir, hf_repo_name(repo), hf_repo_name(repo));
	hf_advise(err, "the files stay as they are; stage again what was staged");
}

enum hf_status hf_index_damaged(const struct hf_repo *repo, const char *why, struct hf_err *err)
{
	hf_fail(err, HF_DATA, "the index of '%s' is damaged: %s", hf_repo_name(repo), why);
	hf_index_advise(repo, err);
	return HF_DATA;
}

static enum hf_status fail_read(const struct hf_repo *repo, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot read the index of '%s'", hf_repo_name(repo));
}

static const char not_a_file[] = "it is not a regular file";

enum hf_status hf_index_map(const struct hf_repo *repo, const char *name,
			    struct hf_index_bytes *bytes, struct hf_err *err)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = sys_openat(repo->git, name, flags, 0), saved;
	void *at = NULL;
	struct stat st;

	if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == ENODEV))
		return hf_index_damaged(repo, not_a_file, err);
	if (fd < 0)
		return errno == ENOENT ? HF_NO : fail_read(repo, err);
	if (sys_fstat(fd, &st) < 0) {
		at = MAP_FAILED;
	} else if (!S_ISREG(st.st_mode)) {
		sys_close(fd);
		return hf_index_damaged(repo, not_a_file, err);
	} else if (st.st_size) {
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	saved = errno;
	sys_close(fd);
	errno = saved;
	if (at == MAP_FAILED)
		return fail_read(repo, err);
	*bytes = (struct hf_index_bytes){at, (size_t)st.st_size};
	return HF_OK;
}

void hf_index_unmap(const struct hf_index_bytes *bytes)
{
	if (bytes->size)
		munmap((void *)bytes->at, bytes->size);
}

/* Return what is wrong with the index; NULL if nothing is. */
static const char *what_is_wrong(const struct hf_repo *repo, const struct hf_index_bytes *bytes)
{
	static const unsigned char none[HF_SHA256];
	unsigned char sum[HF_SHA256];
	const unsigned char *version, *end;

	if (bytes->size < HEAD + repo->oid_size)
		return "it is too short";
	version = bytes->at + 4;
	end = bytes->at + bytes->size - repo->oid_size;
	if (memcmp(bytes->at, "DIRC", 4) != 0)
		return "it does not begin with the signature of an index";
	if (version[0] || version[1] || version[2] || version[3] < OLDEST || version[3] > NEWEST)
		return "its version is not known";
	if (memcmp(end, none, repo->oid_size) == 0)
		return NULL;
	hf_bytes_hash(repo, bytes->at, bytes->size - repo->oid_size, sum);
	return memcmp(end, sum, repo->oid_size) == 0 ? NULL : "its checksum is wrong";
}

/* Check one file. HF_NO: it is absent. */
static enum hf_status check_index_file(const struct hf_repo *repo, const char *name,
				       struct hf_err *err)
{
	struct hf_index_bytes bytes = {0};
	enum hf_status status = hf_index_map(repo, name, &bytes, err);
	const char *wrong;

	if (status != HF_OK)
		return status;
	wrong = what_is_wrong(repo, &bytes);
	hf_index_unmap(&bytes);
	return wrong ? hf_index_damaged(repo, wrong, err) : HF_OK;
}

/* Return true if the index contains this hash, and is therefore based on that shared index. */
static bool has_hash(const struct hf_repo *repo, const struct hf_index_bytes *bytes,
		     const char *hex)
{
	unsigned char value[HF_SHA256];

	if (strlen(hex) != 2 * repo->oid_size)
		return false;
	for (size_t i = 0; i < repo->oid_size; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &value[i]) != 1)
			return false;
	return memmem(bytes->at, bytes->size, value, repo->oid_size) != NULL;
}

static enum hf_status check_shared(const struct hf_repo *repo, const struct hf_index_bytes *bytes,
				   struct hf_err *err)
{
	enum hf_status status = HF_OK;
	struct dirent *entry;
	DIR *dir = opendir(repo->gitdir);

	if (!dir)
		return fail_read(repo, err);
	while ((status == HF_OK || status == HF_NO) && (entry = readdir(dir)))
		if (strncmp(entry->d_name, SHARED, strlen(SHARED)) == 0 &&
		    has_hash(repo, bytes, entry->d_name + strlen(SHARED)))
			status = check_index_file(repo, entry->d_name, err);
	closedir(dir);
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_index_check(const struct hf_repo *repo, const char *name, struct hf_err *err)
{
	struct hf_index_bytes bytes = {0};
	enum hf_status status = hf_index_map(repo, name, &bytes, err);
	const char *wrong;

	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	wrong = what_is_wrong(repo, &bytes);
	status = wrong ? hf_index_damaged(repo, wrong, err) : check_shared(repo, &bytes, err);
	hf_index_unmap(&bytes);
	return status;
}
