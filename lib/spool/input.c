/* SPDX-License-Identifier: ISC */
#include <holdfast/input.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/sys.h"
#include "base/tempfile.h"
#include <holdfast/path.h>

enum { LINES_FIRST = 64 << 10, LINES_BATCH = 1 << 20 };

static enum hf_status read_failed(struct hf_err *err)
{
	if (errno == EBADF)
		return hf_fail(err, HF_NOINPUT, "standard input is closed");
	return hf_fail_errno_as(err, HF_IO, "cannot read standard input");
}

/* One read(2), also of a non-blocking input: O_NONBLOCK belongs to the process that set it, and to
 * all that share the open file. */
static ssize_t read_some(int in, void *data, size_t size)
{
	struct pollfd p = {.fd = in, .events = POLLIN};
	ssize_t n;

	while ((n = sys_read(in, data, size)) < 0 && (errno == EINTR || errno == EAGAIN))
		if (errno == EAGAIN && poll(&p, 1, -1) < 0 && errno != EINTR)
			break;
	return n;
}

/* Write a record that has outgrown memory to a file: the bytes read so far, then the rest. */
static enum hf_status read_large(struct hf_append_record *record, char *data, size_t size, int in,
				 const char *target_path, struct hf_err *err)
{
	struct hf_target target;
	char name[NAME_MAX + 1];
	int64_t rest = 0;
	enum hf_status status = hf_target_open(&target, target_path, HF_TARGET_NO_SYNC, err);

	if (status != HF_OK)
		return status;
	status = hf_tempfile_open(&target, 0600, &record->fd, name, err);
	if (status == HF_OK) {
		if (name[0]) /* only the descriptor is needed */
			sys_unlinkat(target.dir, name, 0);
		status = hf_write_all(record->fd, data, size, target_path, err);
		if (status == HF_OK)
			status = hf_copy_stream(in, record->fd, &rest, NULL, target_path, err);
		record->size = size + (uint64_t)rest;
	}
	hf_target_close(&target);
	return status;
}

enum hf_status hf_append_record_read(struct hf_append_record *record, int in,
				     const char *target_path, struct hf_err *err)
{
	size_t size = 0, most = HF_APPEND_RECORD_SMALL;
	char *data = malloc(most);
	enum hf_status status = HF_OK;

	*record = (struct hf_append_record){.fd = -1};
	if (!data)
		return hf_fail_errno(err, "cannot read standard input");
	while (size < most) {
		ssize_t n = read_some(in, data + size, most - size);

		if (n < 0)
			status = read_failed(err);
		if (n <= 0)
			break;
		size += (size_t)n;
	}
	if (status == HF_OK && size < most) {
		record->data = data;
		record->size = size;
		return HF_OK;
	}
	if (status == HF_OK)
		status = read_large(record, data, size, in, target_path, err);
	free(data);
	if (status != HF_OK)
		hf_append_record_free(record);
	return status;
}

void hf_append_record_free(struct hf_append_record *record)
{
	free((void *)record->data);
	hf_close(record->fd);
	*record = (struct hf_append_record){.fd = -1};
}

static bool readable_now(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

/* Enlarge the buffer if it is full, and read once. HF_NO: the end of the input. */
static enum hf_status fill_buffer(struct hf_lines *l, struct hf_err *err)
{
	ssize_t n;

	if (l->used == l->size) {
		size_t size = l->size ? l->size * 2 : LINES_FIRST;
		char *buffer = realloc(l->buffer, size + 1); /* + 1: the last newline */

		if (!buffer)
			return hf_fail_errno(err, "cannot read a line of more than %zu bytes",
					     l->size);
		l->buffer = buffer;
		l->size = size;
	}
	n = read_some(l->in, l->buffer + l->used, l->size - l->used);
	if (n < 0)
		return read_failed(err);
	l->used += (size_t)n;
	return n ? HF_OK : HF_NO;
}

enum hf_status hf_lines_next(struct hf_lines *l, struct hf_append_record *record,
			     struct hf_err *err)
{
	int newline = l->nul ? '\0' : '\n';
	char *last = NULL;

	if (l->given) {
		memmove(l->buffer, l->buffer + l->given, l->used - l->given);
		l->used -= l->given;
		l->given = 0;
	}
	if (l->used)
		last = memrchr(l->buffer, newline, l->used);
	while (!l->end && (!last || (l->used < LINES_BATCH && readable_now(l->in)))) {
		size_t before = l->used;
		enum hf_status status = fill_buffer(l, err);
		char *found;

		if (status != HF_OK && status != HF_NO)
			return status;
		l->end = status == HF_NO;
		found = memrchr(l->buffer + before, newline, l->used - before);
		/* the buffer may have moved */
		last = found ? found : l->used ? memrchr(l->buffer, newline, l->used) : NULL;
	}
	if (l->end && l->used && l->buffer[l->used - 1] != newline) {
		l->buffer[l->used] = (char)newline;
		last = l->buffer + l->used++;
	}
	if (!last)
		return HF_NO;
	l->given = (size_t)(last - l->buffer) + 1;
	*record = (struct hf_append_record){.data = l->buffer, .size = l->given, .fd = -1};
	return HF_OK;
}

void hf_lines_free(struct hf_lines *l)
{
	free(l->buffer);
	l->buffer = NULL;
}
