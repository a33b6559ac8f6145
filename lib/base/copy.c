/* SPDX-License-Identifier: ISC */
#include "base/copy.h"

#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

enum {
	PIECE = 64 * 1024,
	KERNEL_PIECE = 8 * 1024 * 1024, /* moved by one call in the kernel, then written to the
					 * disk */
	PIPE_SIZE = 1024 * 1024,
};

static enum hf_status read_failed(const char *from, struct hf_err *err)
{
	const char *quote = from ? "'" : "";

	if (errno == EBADF && !from)
		return hf_fail(err, HF_NOINPUT, "standard input is closed");
	if (errno == EBADF)
		errno = EACCES; /* opened for writing because reading was not permitted */
	return hf_fail_errno(err, "cannot read %s%s%s", quote, from ? from : "standard input",
			     quote);
}

static enum hf_status write_failed(const char *to, struct hf_err *err)
{
	const char *quote = to ? "'" : "";

	return hf_fail_errno(err, "cannot write %s%s%s", quote, to ? to : "standard output", quote);
}

/* Return true if a call failed only temporarily, after waiting until it can be repeated. */
static bool retry_when_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	if (errno == EAGAIN)
		return poll(&p, 1, -1) >= 0 || errno == EINTR;
	return errno == EINTR;
}

/* At the offset *at, or, if at is NULL, at the descriptor's own. */
static enum hf_status write_at(int fd, const char *data, size_t size, const int64_t *at,
			       const char *to, struct hf_err *err)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = at ? sys_pwrite(fd, data + done, size - done, *at + (off_t)done)
			       : sys_write(fd, data + done, size - done);

		if (n < 0 && !retry_when_ready(fd, POLLOUT))
			return write_failed(to, err);
		if (n > 0)
			done += (size_t)n;
	}
	return HF_OK;
}

enum hf_status hf_write_all(int fd, const void *data, size_t size, const char *to,
			    struct hf_err *err)
{
	return write_at(fd, data, size, NULL, to, err);
}

enum hf_status hf_pwrite_all(int fd, const void *data, size_t size, int64_t at, const char *to,
			     struct hf_err *err)
{
	return write_at(fd, data, size, &at, to, err);
}

/* From the offset *at, or, if at is NULL, from the descriptor's own. */
static enum hf_status read_at(int fd, char *data, size_t size, const off_t *at, size_t *got,
			      const char *from, struct hf_err *err)
{
	*got = 0;
	while (*got < size) {
		ssize_t n = at ? sys_pread(fd, data + *got, size - *got, *at + (off_t)*got)
			       : sys_read(fd, data + *got, size - *got);

		if (n < 0 && !retry_when_ready(fd, POLLIN))
			return read_failed(from, err);
		if (n == 0)
			break;
		if (n > 0)
			*got += (size_t)n;
	}
	return HF_OK;
}

enum hf_status hf_read_full(int fd, void *data, size_t size, size_t *got, const char *from,
			    struct hf_err *err)
{
	return read_at(fd, data, size, NULL, got, from, err);
}

enum hf_status hf_pread_exactly(int fd, void *data, size_t size, uint64_t at, const char *from,
				struct hf_err *err)
{
	off_t offset = (off_t)at;
	size_t got;
	enum hf_status status = read_at(fd, data, size, &offset, &got, from, err);

	if (status != HF_OK || got == size)
		return status;
	errno = EIO;
	return read_failed(from, err);
}

enum hf_status hf_read_all(int in, size_t max, void **data, size_t *size, const char *from,
			   struct hf_err *err)
{
	size_t capacity = PIECE, got = 0;
	enum hf_status status = HF_OK;
	struct stat st;

	*data = NULL;
	*size = 0;
	if (sys_fstat(in, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < (off_t)max)
		capacity += (size_t)st.st_size;
	for (;; capacity *= 2) {
		char *grown = realloc(*data, capacity + 1);

		if (grown)
			*data = grown;
		status = grown ? hf_read_full(in, grown + *size, capacity - *size, &got, from, err)
			       : read_failed(from, err);
		if (status != HF_OK)
			break;
		*size += got;
		if (*size > max) {
			status = hf_fail(err, HF_DATA, "cannot take '%s': more than %zu bytes",
					 from ? from : "-", max);
			break;
		}
		if (*size < capacity) {
			grown[*size] = '\0';
			return HF_OK;
		}
	}
	free(*data);
	*data = NULL;
	return status;
}

/* Add n bytes to *size. After each large piece start writing to the disk; an error there shows
 * again at the sync. */
static void count_and_flush(int out, int64_t *size, int64_t n)
{
	int64_t before = *size;

	*size += n;
	if (before / KERNEL_PIECE != *size / KERNEL_PIECE)
		sys_sync_file_range(out, 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* Copy one piece through a buffer. HF_NO: end of input. */
static enum hf_status copy_buffered(int in, off_t *at, int out, int64_t *size, const char *from,
				    const char *to, struct hf_err *err)
{
	char buffer[PIECE];
	enum hf_status status;
	ssize_t n;

	do {
		n = at ? sys_pread(in, buffer, sizeof(buffer), *at)
		       : sys_read(in, buffer, sizeof(buffer));
	} while (n < 0 && retry_when_ready(in, POLLIN));
	if (n < 0)
		return read_failed(from, err);
	if (n == 0)
		return HF_NO;
	status = hf_write_all(out, buffer, (size_t)n, to, err);
	if (status != HF_OK)
		return status;
	if (at)
		*at += n;
	count_and_flush(out, size, n);
	return HF_OK;
}

/* Return true if the kernel cannot copy between these two, but a buffer may. */
static bool needs_buffer(int errnum)
{
	return errnum == EINVAL || errnum == EBADF || errnum == EXDEV || errnum == ENOSYS ||
	       errnum == EOPNOTSUPP || errnum == EPERM || errnum == EISDIR || errnum == ETXTBSY;
}

/* Copy from *at (or in's offset, if at is NULL) to the end of a regular file. */
static enum hf_status copy_rest(int in, off_t *at, int out, int64_t *size, const char *from,
				const char *to, struct hf_err *err)
{
	enum hf_status status;
	ssize_t n;

	for (;;) {
		n = sys_copy_file_range(in, at, out, NULL, KERNEL_PIECE, 0);
		if (n > 0)
			count_and_flush(out, size, n);
		else if (n == 0 || needs_buffer(errno))
			break;
		else if (errno != EINTR)
			return write_failed(to, err);
	}
	do {
		status = copy_buffered(in, at, out, size, from, to, err);
	} while (status == HF_OK);
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_copy_file(int in, int out, const char *from, const char *to, struct hf_err *err)
{
	int64_t size = 0;
	off_t at = 0;

	if (sys_ioctl_int(out, FICLONE, in) == 0)
		return lseek(out, 0, SEEK_END) < 0 ? write_failed(to, err) : HF_OK;
	return copy_rest(in, &at, out, &size, from, to, err);
}

enum hf_status hf_copy_some(int in, int out, int64_t *size, const char *from, const char *to,
			    struct hf_err *err)
{
	ssize_t n;

	do {
		n = sys_splice(in, NULL, out, NULL, KERNEL_PIECE, SPLICE_F_MOVE);
	} while (n < 0 && retry_when_ready(in, POLLIN));
	if (n == 0)
		return HF_NO;
	if (n < 0 && needs_buffer(errno))
		return copy_buffered(in, NULL, out, size, from, to, err);
	if (n < 0)
		return write_failed(to, err);
	/* a full pipe of the usual size: more will come, and a larger pipe saves calls */
	if (n == PIECE && *size == 0)
		fcntl(in, F_SETPIPE_SZ, PIPE_SIZE);
	count_and_flush(out, size, n);
	return HF_OK;
}

enum hf_status hf_copy_stream(int in, int out, int64_t *size, const char *from, const char *to,
			      struct hf_err *err)
{
	enum hf_status status;
	int64_t unwanted;
	struct stat st;

	if (!size)
		size = &unwanted;
	*size = 0;
	if (sys_fstat(in, &st) < 0)
		return read_failed(from, err);
	if (S_ISREG(st.st_mode))
		return copy_rest(in, NULL, out, size, from, to, err);
	do {
		status = hf_copy_some(in, out, size, from, to, err);
	} while (status == HF_OK);
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_same_content(int a, int b, bool *same, const char *name, struct hf_err *err)
{
	char left[PIECE], right[PIECE];
	struct stat st_a, st_b;
	enum hf_status status;
	size_t n, m;

	*same = false;
	if (sys_fstat(a, &st_a) < 0 || sys_fstat(b, &st_b) < 0)
		return read_failed(name, err);
	if (st_a.st_size != st_b.st_size)
		return HF_OK;
	for (off_t at = 0;; at += (off_t)n) {
		status = read_at(a, left, sizeof(left), &at, &n, name, err);
		if (status == HF_OK)
			status = read_at(b, right, sizeof(right), &at, &m, name, err);
		if (status != HF_OK)
			return status;
		if (n != m || memcmp(left, right, n) != 0)
			return HF_OK;
		if (n < sizeof(left)) {
			*same = true;
			return HF_OK;
		}
	}
}

enum hf_status hf_sha256(int fd, char hex[65], const char *name, struct hf_err *err)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char buffer[PIECE];
	enum hf_status status;
	SHA2_CTX sha;
	size_t n;

	SHA256Init(&sha);
	for (off_t at = 0;; at += (off_t)n) {
		status = read_at(fd, buffer, sizeof(buffer), &at, &n, name, err);
		if (status != HF_OK)
			return status;
		SHA256Update(&sha, (const uint8_t *)buffer, n);
		if (n < sizeof(buffer))
			break;
	}
	/* SHA256End() would be shorter, but is in an object that not every C library can link */
	SHA256Final(digest, &sha);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	return HF_OK;
}
