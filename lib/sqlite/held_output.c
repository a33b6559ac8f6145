/* SPDX-License-Identifier: ISC */
#include "sqlite/held_output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/copy.h"
#include "base/sys.h"
#include "base/tempfile.h"

enum { MEMORY = 1 << 20 };

/* Append to the file. The bytes come in order, so its own offset serves. */
static void write_to_file(struct hf_deferred *box, const void *data, size_t size)
{
	if (!box->fd) {
		int fd = hf_tempfile_unnamed();

		if (fd < 0) {
			hf_fail_errno_as(&box->failed, HF_IO, "cannot keep the output");
			hf_advise(&box->failed,
				  "TMPDIR must be a directory that can be written to");
			return;
		}
		box->fd = fd + 1;
	}
	if (hf_write_all(box->fd - 1, data, size, "the output's file", &box->failed) == HF_OK)
		box->filed += (int64_t)size;
}

void hf_deferred_write(struct hf_deferred *box, const void *data, size_t size)
{
	if (box->failed.status != HF_OK)
		return;
	if (!box->memory)
		box->memory = malloc(MEMORY);
	if (!box->memory) {
		hf_fail_errno(&box->failed, "cannot keep the output");
		return;
	}
	if (size > MEMORY - box->used && box->used) {
		write_to_file(box, box->memory, box->used);
		box->used = 0;
	}
	if (size > MEMORY) {
		write_to_file(box, data, size);
	} else {
		memcpy(box->memory + box->used, data, size);
		box->used += size;
	}
}

void hf_deferred_text(struct hf_deferred *box, const char *text)
{
	hf_deferred_write(box, text, strlen(text));
}

void hf_deferred_quoted(struct hf_deferred *box, const char *data, size_t size, char quote)
{
	const char *end = data + size, *next;

	hf_deferred_write(box, &quote, 1);
	for (; (next = memchr(data, quote, (size_t)(end - data))); data = next + 1) {
		hf_deferred_write(box, data, (size_t)(next + 1 - data));
		hf_deferred_write(box, &quote, 1);
	}
	hf_deferred_write(box, data, (size_t)(end - data));
	hf_deferred_write(box, &quote, 1);
}

void hf_deferred_hex(struct hf_deferred *box, const void *data, size_t size, const char *digits)
{
	for (const unsigned char *byte = data, *end = byte + size; byte < end; byte++) {
		hf_deferred_write(box, &digits[*byte >> 4], 1);
		hf_deferred_write(box, &digits[*byte & 15], 1);
	}
}

void hf_deferred_print(struct hf_deferred *box, const char *format, ...)
{
	char text[1001];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	hf_deferred_text(box, text);
}

enum hf_status hf_deferred_check(const struct hf_deferred *box, struct hf_err *err)
{
	if (box->failed.status != HF_OK && err)
		*err = box->failed;
	return box->failed.status;
}

enum hf_status hf_deferred_flush_stream(struct hf_deferred *box, struct hf_err *err)
{
	if (box->failed.status == HF_OK && box->used)
		write_to_file(box, box->memory, box->used);
	box->used = 0;
	return hf_deferred_check(box, err);
}

enum hf_status hf_deferred_flush(struct hf_deferred *box, int fd, const char *to,
				 struct hf_err *err)
{
	enum hf_status status = hf_deferred_check(box, err);

	if (status == HF_OK && box->filed) {
		lseek(box->fd - 1, 0, SEEK_SET);
		status = hf_copy_stream(box->fd - 1, fd, NULL, "the output's file", to, err);
	}
	if (status == HF_OK && box->used)
		status = hf_write_all(fd, box->memory, box->used, to, err);
	return status;
}

void hf_deferred_clear(struct hf_deferred *box)
{
	hf_close(box->fd - 1);
	box->fd = 0;
	box->filed = 0;
	box->used = 0;
	box->failed.status = HF_OK;
}

void hf_deferred_free(struct hf_deferred *box)
{
	hf_deferred_clear(box);
	free(box->memory);
	box->memory = NULL;
}
