/* SPDX-License-Identifier: ISC */
#include "git/loose_object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/copy.h"
#include "base/tempfile.h"
#include "base/sys.h"

#define LITTER "tmp_obj_holdfast"

char *hf_loose_object_path(char path[HF_LOOSE_SIZE], const char *oid)
{
	snprintf(path, HF_LOOSE_SIZE, "%.2s/%s", oid, oid + 2);
	return path;
}

static enum hf_status no_memory(struct hf_err *err)
{
	return hf_fail(err, HF_OS, "cannot make a commit: out of memory");
}

/* Compress header and content in one stream; the caller frees *out. */
static enum hf_status compress_object(const char *head, size_t head_size, const void *bytes,
				      size_t size, unsigned char **out, size_t *length,
				      struct hf_err *err)
{
	z_stream z = {0};
	int code;

	*out = NULL;
	if (deflateInit(&z, Z_BEST_SPEED) != Z_OK)
		return no_memory(err);
	*length = deflateBound(&z, (uLong)(head_size + size));
	*out = malloc(*length);
	if (!*out) {
		deflateEnd(&z);
		return no_memory(err);
	}
	z.next_out = *out;
	z.avail_out = (uInt)*length;
	z.next_in = (z_const Bytef *)head;
	z.avail_in = (uInt)head_size;
	code = deflate(&z, Z_NO_FLUSH);
	z.next_in = (z_const Bytef *)bytes;
	z.avail_in = (uInt)size;
	if (code == Z_OK)
		code = deflate(&z, Z_FINISH);
	*length = z.total_out;
	deflateEnd(&z);
	return code == Z_STREAM_END ? HF_OK : no_memory(err);
}

/* Open an unnamed file with Git's mode, 0444, under the umask. */
static int open_unnamed(const struct hf_repo *repo)
{
	return sys_openat(repo->objects, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0444);
}

/* Return true if the file has exactly these bytes. */
static bool has_bytes(int fd, const unsigned char *bytes, size_t size)
{
	unsigned char *found = malloc(size + 1);
	bool has = found && sys_pread(fd, found, size + 1, 0) == (ssize_t)size &&
		   memcmp(found, bytes, size) == 0;

	free(found);
	return has;
}

/* Give an equal object a new time (git/L2). Return false if there is none. */
static bool renew_object(struct hf_repo *repo, const char *oid, const unsigned char *bytes,
			 size_t size)
{
	char path[HF_LOOSE_SIZE];
	int fd = sys_openat(repo->objects, hf_loose_object_path(path, oid),
			    O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	bool renewed = fd >= 0 && has_bytes(fd, bytes, size) && futimens(fd, NULL) == 0;

	if (fd >= 0)
		sys_close(fd);
	return renewed;
}

static enum hf_status write_unnamed(struct hf_repo *repo, const unsigned char *bytes, size_t size,
				    int *fd, struct hf_err *err)
{
	enum hf_status status;

	*fd = open_unnamed(repo);
	if (*fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
		return HF_UNAVAILABLE;
	if (*fd < 0)
		return hf_fail_errno(err, "cannot store objects in '%s'", hf_repo_name(repo));
	status = hf_write_all(*fd, bytes, size, hf_repo_name(repo), err);
	if (status != HF_OK) {
		sys_close(*fd);
		*fd = -1;
	}
	return status;
}

enum hf_status hf_loose_object_write(struct hf_repo *repo, const char *type, const char *oid,
				     const void *bytes, size_t size, int *fd, struct hf_err *err)
{
	unsigned char *packed = NULL;
	enum hf_status status;
	size_t length = 0;
	char head[32];
	int n = snprintf(head, sizeof(head), "%s %zu", type, size) + 1;

	*fd = -1;
	status = compress_object(head, (size_t)n, bytes, size, &packed, &length, err);
	if (status == HF_OK)
		status = renew_object(repo, oid, packed, length)
				 ? HF_NO
				 : write_unnamed(repo, packed, length, fd, err);
	free(packed);
	return status;
}

static int link_as(struct hf_repo *repo, int fd, const char *name)
{
	const struct hf_target objects = {.dir = repo->objects, .path = hf_repo_name(repo)};

	return hf_tempfile_link(&objects, fd, name, NULL) == HF_OK ? 0 : -1;
}

/* Replace the file that has the name of the object (git/L1). */
static int replace_object(struct hf_repo *repo, int fd, const char *path)
{
	int saved;

	if (link_as(repo, fd, LITTER) < 0 &&
	    (errno != EEXIST || sys_unlinkat(repo->objects, LITTER, 0) < 0 ||
	     link_as(repo, fd, LITTER) < 0))
		return -1;
	if (sys_renameat2(repo->objects, LITTER, repo->objects, path, 0) == 0)
		return 0;
	saved = errno;
	sys_unlinkat(repo->objects, LITTER, 0);
	errno = saved;
	return -1;
}

int hf_loose_object_mkdir(struct hf_repo *repo, const char *oid, bool *made)
{
	const char dir[] = {oid[0], oid[1], '\0'};

	if (sys_mkdirat(repo->objects, dir, 0777) == 0)
		*made = true;
	else if (errno != EEXIST)
		return -1;
	return 0;
}

int hf_loose_object_name(struct hf_repo *repo, int fd, const char *oid, bool *made)
{
	char path[HF_LOOSE_SIZE];

	/* first: hf_tempfile_link() would take a missing directory for a reason to link by way of
	 * /proc */
	if (hf_loose_object_mkdir(repo, oid, made) < 0)
		return -1;
	if (link_as(repo, fd, hf_loose_object_path(path, oid)) == 0)
		return 0;
	return errno == EEXIST ? replace_object(repo, fd, path) : -1;
}
