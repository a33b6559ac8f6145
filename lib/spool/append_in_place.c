/* SPDX-License-Identifier: ISC */
#include "spool/append_in_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/sys.h"

/* SEARCH: bytes after the offset in which a batch is searched for, if another program's `>>` came
 * first. ONE_WRITE: bytes in one write; between two writes a `>>` can come. The fault build writes
 * less, so that a kill or a power cut can come there with a small file. */
#ifdef HF_FAULTS
enum { ONE_WRITE = 256 << 10 };
#else
enum { ONE_WRITE = HF_SPOOL_FULL };
#endif
enum { BUFFER = 256 << 10, SEARCH = 64 << 10 };

/* The records in turn as one stream. */
struct stream {
	const struct hf_batch *batch;
	struct hf_append_record record;
	uint64_t at, done; /* done: of this record */
};

/* Read up to size bytes, less only at the end of the last record. */
static enum hf_status stream_read(struct stream *s, char *buffer, size_t size, size_t *got,
				  struct hf_err *err)
{
	*got = 0;
	while (*got < size) {
		uint64_t left = s->record.size - s->done;
		size_t n = left < size - *got ? (size_t)left : size - *got;
		enum hf_status status;

		if (n == 0) {
			status = hf_batch_next(s->batch, &s->at, &s->record, err);
			s->done = 0;
		} else {
			status = hf_pread_exactly(s->record.fd, buffer + *got, n,
						  s->record.offset + s->done, s->batch->name, err);
			*got += n;
			s->done += n;
		}
		if (status != HF_OK)
			return status == HF_NO ? HF_OK : status;
	}
	return HF_OK;
}

enum hf_status hf_write_records(const struct hf_batch *batch, int fd, struct hf_err *err)
{
	const char *to = batch->target->path;
	struct stream stream = {.batch = batch};
	size_t n, size = batch->head.end < ONE_WRITE ? (size_t)batch->head.end : ONE_WRITE;
	char *buffer = malloc(size);
	enum hf_status status;

	if (!buffer)
		return hf_fail_errno(err, "cannot append to '%s'", to);
	do {
		status = stream_read(&stream, buffer, size, &n, err);
		if (status == HF_OK && n)
			status = hf_write_all(fd, buffer, n, to, err);
	} while (status == HF_OK && n == size);
	free(buffer);
	return status;
}

/* Compare the target from the offset on with the batch. A batch after another program's bytes (a
 * `>>` came first) is searched for at every line; that is rare. */
static enum hf_status compare_batch_at(int fd, uint64_t offset, uint64_t end,
				       const struct hf_batch *batch, char *buffers,
				       enum hf_tail *tail, struct hf_err *err)
{
	struct stream stream = {.batch = batch};
	char *want = buffers, *have = buffers + BUFFER;
	size_t wanted, n;
	bool nul = false;

	*tail = HF_TAIL_OTHER;
	do {
		uint64_t left = end - offset;
		enum hf_status status = stream_read(&stream, want, BUFFER, &wanted, err);

		if (status != HF_OK)
			return status;
		n = left < wanted ? (size_t)left : wanted;
		status = hf_pread_exactly(fd, have, n, offset, batch->target->path, err);
		if (status != HF_OK)
			return status;
		for (size_t i = 0; i < n; i++) {
			if (have[i] && have[i] != want[i])
				return HF_OK;
			nul = nul || have[i] != want[i];
		}
		offset += n;
	} while (n == BUFFER);
	if (n < wanted || (nul && offset == end))
		*tail = HF_TAIL_TORN;
	else if (!nul)
		*tail = offset == end ? HF_TAIL_WHOLE : HF_TAIL_AMONG;
	return HF_OK;
}

enum hf_status hf_in_place_compare(int fd, const struct hf_batch *batch, enum hf_tail *tail,
				   struct hf_err *err)
{
	char *buffers = malloc(2 * (size_t)BUFFER);
	enum hf_status status = HF_OK;
	struct stat st;

	*tail = HF_TAIL_OTHER;
	if (!buffers || sys_fstat(fd, &st) < 0) {
		status = hf_fail_errno(err, "cannot read the end of '%s'", batch->target->path);
	} else if ((uint64_t)st.st_size >= batch->head.offset) {
		uint64_t end = (uint64_t)st.st_size, offset = batch->head.offset;

		status = compare_batch_at(fd, offset, end, batch, buffers, tail, err);
		if (end > offset + SEARCH)
			end = offset + SEARCH;
		while (status == HF_OK && *tail == HF_TAIL_OTHER && offset < end) {
			enum hf_tail here = HF_TAIL_OTHER;
			char before;

			/* another program writes whole lines: in the middle of a line no batch
			 * begins */
			status = hf_pread_exactly(fd, &before, 1, offset++, batch->target->path,
						  err);
			if (status != HF_OK || before != '\n')
				continue;
			status = compare_batch_at(fd, offset, (uint64_t)st.st_size, batch, buffers,
						  &here, err);
			if (here == HF_TAIL_WHOLE || here == HF_TAIL_AMONG)
				*tail = HF_TAIL_AMONG;
		}
	}
	free(buffers);
	return status;
}

int hf_in_place_open(const struct hf_target *target, const struct stat *wanted, int flags)
{
	int fd = sys_openat(target->dir, target->name,
			    flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	struct stat st;

	if (fd >= 0 && (sys_fstat(fd, &st) < 0 || !hf_same_inode(&st, wanted))) {
		sys_close(fd);
		errno = ESTALE;
		return -1;
	}
	return fd;
}

enum hf_status hf_in_place_cut(int fd, const struct hf_batch *batch, struct hf_err *err)
{
	enum hf_tail tail;
	enum hf_status status = hf_in_place_compare(fd, batch, &tail, err);

	if (status != HF_OK || tail == HF_TAIL_OTHER)
		return status;
	if (tail == HF_TAIL_AMONG)
		errno = EWOULDBLOCK;
	if (tail == HF_TAIL_AMONG || sys_ftruncate(fd, (off_t)batch->head.offset) < 0 ||
	    sys_fsync(fd) < 0)
		return hf_fail_errno(err, "cannot cut off the incomplete record in '%s'",
				     batch->target->path);
	return HF_OK;
}

/* Write and sync, or cut off: ABANDONED. If that fails too, the batch stays IN_PLACE, and the next
 * append recovers it: it cuts off a part, and keeps a whole batch. */
static enum hf_status write_synced(int fd, struct hf_batch *batch, bool sync, struct hf_err *err)
{
	const char *path = batch->target->path;
	enum hf_status status = hf_write_records(batch, fd, err);
	bool whole = status == HF_OK;

	if (whole && sync && sys_fdatasync(fd) < 0)
		status = hf_fail_errno(err, "cannot sync '%s'", path);
	if (status == HF_OK)
		return status;
	if (hf_in_place_cut(fd, batch, NULL) == HF_OK) {
		hf_batch_mark(batch, HF_SPOOL_ABANDONED, NULL);
		return status;
	}
	if (whole)
		return hf_fail(err, HF_UNCERTAIN,
			       "'%s' has the record, but can be neither synced nor cut off", path);
	hf_advise(err, "a part of the record stays until the next append cuts it off");
	return status;
}

/* Make the intent durable: first its content, then its name (spool/S4). */
static enum hf_status enter_in_place(int fd, struct hf_batch *batch, bool sync, struct hf_err *err)
{
	enum hf_status status = hf_batch_mark(batch, HF_SPOOL_IN_PLACE, err);
	bool synced = status == HF_OK && (!sync || sys_fsync(batch->fd) == 0);

	if (synced)
		status = hf_batch_enter(fd, batch, err);
	if (synced && status == HF_OK)
		synced = !sync || sys_fsync(batch->target->dir) == 0;
	return status != HF_OK || synced
		       ? status
		       : hf_fail_errno(err, "cannot keep the intent to append to '%s'",
				       batch->target->path);
}

enum hf_status hf_append_in_place(const struct stat *st, struct hf_batch *batch, bool sync,
				  struct hf_err *err)
{
	const struct hf_target *target = batch->target;
	int fd = hf_in_place_open(target, st, O_RDWR | O_APPEND);
	enum hf_status status;
	struct stat now;

	if (fd < 0 && (errno == ESTALE || errno == ENOENT)) {
		errno = EEXIST; /* by a program that does not lock it: start again */
		return hf_fail_errno_as(err, HF_BUSY, "'%s' was replaced in the meantime",
					target->path);
	}
	if (fd < 0)
		return hf_fail_errno(err, "cannot append to '%s'", target->path);
	if (sys_fstat(fd, &now) < 0) {
		status = hf_fail_errno(err, "cannot append to '%s'", target->path);
	} else {
		batch->head.target = hf_file_id_of(fd);
		batch->head.offset = (uint64_t)now.st_size;
		status = enter_in_place(fd, batch, sync, err);
		if (status == HF_OK)
			status = write_synced(fd, batch, sync, err);
		else
			hf_batch_mark(batch, HF_SPOOL_ABANDONED, NULL); /* nothing was written */
	}
	sys_close(fd);
	return status;
}
