/* SPDX-License-Identifier: ISC */
#include "git/loose_object.h"

#include <errno.h>
#include <fcntl.h>
#include <sha1.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/copy.h"
#include "base/sys.h"
#include "base/tempfile.h"

#define LEFTOVER "tmp_obj_holdfast"

enum { PIECE = 64 * 1024 };

char *hf_loose_object_path(char path[HF_LOOSE_SIZE], const char *oid)
{
	snprintf(path, HF_LOOSE_SIZE, "%.2s/%s", oid, oid + 2);
	return path;
}

/* ---- write ---------------------------------------------------------------------------------- */

/* An object while it is hashed, deflated and written to fd. */
struct packer {
	z_stream z;
	SHA1_CTX sha1;
	SHA2_CTX sha2;
	int fd;
	const char *name; /* of the repository */
	unsigned char out[PIECE];
};

/* Add these bytes; with `last`, end the object. */
static enum hf_status pack_bytes(struct packer *p, const void *bytes, size_t size, bool last,
				 struct hf_err *err)
{
	enum hf_status status = HF_OK;

	SHA1Update(&p->sha1, bytes, size);
	SHA256Update(&p->sha2, bytes, size);
	p->z.next_in = (z_const Bytef *)bytes;
	p->z.avail_in = (uInt)size;
	do {
		p->z.next_out = p->out;
		p->z.avail_out = sizeof(p->out);
		/* fails only for wrong arguments */
		(void)!deflate(&p->z, last ? Z_FINISH : Z_NO_FLUSH);
		status = hf_write_all(p->fd, p->out, sizeof(p->out) - p->z.avail_out, p->name, err);
	} while (status == HF_OK && !p->z.avail_out);
	return status;
}

/* Pack what is to be read from source->fd, which must not become shorter. */
static enum hf_status pack_file(struct packer *p, const struct hf_object_source *source,
				struct hf_err *err)
{
	unsigned char piece[PIECE];
	size_t at = 0, got;
	enum hf_status status = HF_OK;

	if (lseek(source->fd, 0, SEEK_SET) < 0)
		return hf_fail_errno(err, "cannot read the new content");
	while (status == HF_OK && at < source->size) {
		size_t n = source->size - at < PIECE ? source->size - at : PIECE;

		status = hf_read_full(source->fd, piece, n, &got, "the new content", err);
		if (status == HF_OK && got < n)
			status = hf_fail(err, HF_IO,
					 "cannot read the new content: it was cut short");
		if (status == HF_OK)
			status = pack_bytes(p, piece, n, false, err);
		at += n;
	}
	return status == HF_OK ? pack_bytes(p, "", 0, true, err) : status;
}

static void finish_hash(const struct hf_repo *repo, struct packer *p, char oid[HF_OID_SIZE])
{
	if (repo->oid_size == HF_SHA1)
		SHA1End(&p->sha1, oid);
	else
		SHA256End(&p->sha2, oid);
}

void hf_bytes_hash(const struct hf_repo *repo, const void *bytes, size_t size,
		   unsigned char out[HF_SHA256])
{
	SHA1_CTX sha1;
	SHA2_CTX sha2;

	if (repo->oid_size == HF_SHA1) {
		SHA1Init(&sha1);
		SHA1Update(&sha1, bytes, size);
		SHA1Final(out, &sha1);
	} else {
		SHA256Init(&sha2);
		SHA256Update(&sha2, bytes, size);
		SHA256Final(out, &sha2);
	}
}

void hf_object_hash(const struct hf_repo *repo, const char *type, const void *bytes, size_t size,
		    char oid[HF_OID_SIZE])
{
	char head[32];
	size_t n = (size_t)snprintf(head, sizeof(head), "%s %zu", type, size) + 1;
	struct packer p;

	SHA1Init(&p.sha1);
	SHA256Init(&p.sha2);
	SHA1Update(&p.sha1, (const unsigned char *)head, n);
	SHA256Update(&p.sha2, (const unsigned char *)head, n);
	SHA1Update(&p.sha1, bytes, size);
	SHA256Update(&p.sha2, bytes, size);
	finish_hash(repo, &p, oid);
}

static enum hf_status pack_object(const struct hf_repo *repo, const struct hf_object_source *source,
				  int fd, char oid[HF_OID_SIZE], struct hf_err *err)
{
	struct packer p = {.fd = fd, .name = hf_repo_name(repo)};
	enum hf_status status;
	char head[32];
	int n = snprintf(head, sizeof(head), "%s %zu", source->type, source->size) + 1;

	SHA1Init(&p.sha1);
	SHA256Init(&p.sha2);
	if (deflateInit(&p.z, Z_BEST_SPEED) != Z_OK)
		return hf_fail(err, HF_OS, "cannot make a commit: out of memory");
	status = pack_bytes(&p, head, (size_t)n, false, err);
	if (status == HF_OK)
		status = source->bytes ? pack_bytes(&p, source->bytes, source->size, true, err)
				       : pack_file(&p, source, err);
	deflateEnd(&p.z);
	finish_hash(repo, &p, oid);
	return status;
}

/* Open an unnamed file with Git's mode, 0444, under the umask. HF_UNAVAILABLE: the file system has
 * none. */
static enum hf_status open_unnamed(const struct hf_repo *repo, int *fd, struct hf_err *err)
{
	*fd = HF_WITHOUT(unnamed)
		      ? -1
		      : sys_openat(repo->objects, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0444);
	if (*fd >= 0)
		return HF_OK;
	if (HF_WITHOUT(unnamed) || errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL ||
	    errno == ENOENT)
		return HF_UNAVAILABLE;
	return hf_fail_errno(err, "cannot store objects in '%s'", hf_repo_name(repo));
}

/* Open a new file `name` below objects/, likewise. */
static enum hf_status open_named(const struct hf_repo *repo, const char *name, int *fd,
				 struct hf_err *err)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	sys_unlinkat(repo->objects, name, 0);
	*fd = sys_openat(repo->objects, name, flags, 0444);
	return *fd >= 0 ? HF_OK
			: hf_fail_errno(err, "cannot store objects in '%s'", hf_repo_name(repo));
}

enum hf_status hf_loose_object_write(struct hf_repo *repo, const struct hf_object_source *source,
				     const char *name, char oid[HF_OID_SIZE], int *fd,
				     struct hf_err *err)
{
	enum hf_status status =
		name ? open_named(repo, name, fd, err) : open_unnamed(repo, fd, err);

	if (status != HF_OK)
		return status;
	status = pack_object(repo, source, *fd, oid, err);
	if (status != HF_OK) {
		sys_close(*fd);
		*fd = -1;
	}
	return status;
}

bool hf_loose_object_renew(struct hf_repo *repo, const char *oid, int fd)
{
	char path[HF_LOOSE_SIZE];
	int found = sys_openat(repo->objects, hf_loose_object_path(path, oid),
			       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	bool same = false;

	if (found < 0)
		return false;
	same = hf_same_content(found, fd, &same, oid, NULL) == HF_OK && same &&
	       futimens(found, NULL) == 0;
	sys_close(found);
	return same;
}

/* ---- name ----------------------------------------------------------------------------------- */

static int link_as(struct hf_repo *repo, int fd, const char *name)
{
	const struct hf_target objects = {.dir = repo->objects, .path = hf_repo_name(repo)};

	return hf_tempfile_link(&objects, fd, name, NULL) == HF_OK ? 0 : -1;
}

/* Replace the file that has the name of the object (git/L1). */
static int replace_object(struct hf_repo *repo, int fd, const char *path)
{
	int saved;

	if (link_as(repo, fd, LEFTOVER) < 0 &&
	    (errno != EEXIST || sys_unlinkat(repo->objects, LEFTOVER, 0) < 0 ||
	     link_as(repo, fd, LEFTOVER) < 0))
		return -1;
	if (sys_renameat2(repo->objects, LEFTOVER, repo->objects, path, 0) == 0)
		return 0;
	saved = errno;
	sys_unlinkat(repo->objects, LEFTOVER, 0);
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
