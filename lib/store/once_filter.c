/* SPDX-License-Identifier: ISC */
#include "store/once_filter.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/clock.h>
#include "base/array.h"
#include "base/copy.h"
#include <holdfast/input.h>
#include "store/once.h"

struct batch {
	struct hf_bytes *keys;
	size_t count;
	bool *first;
	char *text; /* the lines that are passed on */
	size_t size;
};

/* Split the record into lines, which are the keys. */
static bool split_lines(struct batch *batch, const struct hf_append_record *record, int newline)
{
	const char *line = record->data, *end = line + record->size, *next;
	struct hf_bytes *key;

	for (batch->count = 0; line < end; line = next + 1) {
		key = hf_array_add(&batch->keys, &batch->count, sizeof(*key));
		if (!key)
			return false;
		next = memchr(line, newline, (size_t)(end - line));
		*key = (struct hf_bytes){line, (size_t)(next - line)};
	}
	free(batch->first);
	batch->first = calloc(batch->count, sizeof(*batch->first));
	return batch->first;
}

/* Copy the lines that are passed on, with their ends, to text. Return their number. */
static size_t collect_new_lines(struct batch *batch, size_t size)
{
	size_t passed = 0;

	free(batch->text);
	batch->text = malloc(size);
	batch->size = 0;
	for (size_t i = 0; batch->text && i < batch->count; i++) {
		size_t len = batch->keys[i].size + 1;

		if (!batch->first[i])
			continue;
		memcpy(batch->text + batch->size, batch->keys[i].data, len);
		batch->size += len;
		passed++;
	}
	return passed;
}

/* Mark and write one batch (store/F2, store/F4). */
static enum hf_status pass_batch(struct hf_store *store, struct hf_once_filter *f,
				 struct batch *batch, const struct hf_append_record *record,
				 struct hf_err *err)
{
	enum hf_status status;
	size_t passed;

	if (!split_lines(batch, record, f->nul ? '\0' : '\n'))
		return hf_fail_errno(err, "cannot keep %zu lines in memory", batch->count);
	hf_store_wait(store, f->timeout);
	status = hf_once_mark_each(store, batch->keys, batch->count, f->ttl, !f->at_least_once,
				   batch->first, err);
	if (status != HF_OK)
		return status;
	passed = collect_new_lines(batch, record->size);
	if (!batch->text)
		return hf_fail_errno(err, "cannot keep %zu lines in memory", batch->count);
	status = hf_write_all(f->out, batch->text, batch->size, "standard output", err);
	if (status == HF_OK && f->at_least_once && passed) {
		hf_store_wait(store, f->timeout);
		status = hf_once_mark_each(store, batch->keys, batch->count, f->ttl, true,
					   batch->first, err);
	}
	if (status == HF_OK) {
		f->read += batch->count;
		f->passed += passed;
	}
	return status;
}

enum hf_status hf_once_filter(struct hf_store *store, struct hf_once_filter *f,
			      struct hf_err *err)
{
	struct hf_lines lines = {.in = f->in, .nul = f->nul};
	struct batch batch = {0};
	struct hf_append_record record;
	enum hf_status status;

	f->read = f->passed = 0;
	while ((status = hf_lines_next(&lines, &record, err)) == HF_OK) {
		status = pass_batch(store, f, &batch, &record, err);
		if (status != HF_OK)
			break;
	}
	hf_lines_free(&lines);
	free(batch.keys);
	free(batch.first);
	free(batch.text);
	return status == HF_NO ? HF_OK : status;
}
