/* SPDX-License-Identifier: ISC */
#ifndef HF_INPUT_H
#define HF_INPUT_H

/*
 * Read records from a stream: all of it as one record, or each line.
 *
 *	hf_append_record_read(), then hf_append_record_free()
 *	hf_lines_next() until HF_NO, then hf_lines_free()
 *
 * A record that is smaller than HF_APPEND_RECORD_SMALL is kept in memory, and hf_append() can hand
 * it over to another appender. A larger one goes to an unnamed file in the target's directory.
 * Memory is therefore constant, and a full disk shows before anything is changed.
 *
 * hf_lines_next() waits for input, takes what else is already available, and returns all whole
 * lines as one record. Many lines then cost one append, and a slow writer need not fill a buffer.
 * A newline is added to the last line if it has none, so that the next record does not continue it.
 *
 * A failed read is never taken for the end of the input: HF_IO, or HF_NOINPUT if the descriptor is
 * closed. Both functions block until input is available. A crash leaves nothing. Thread-safe for
 * different records and struct hf_lines; not async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/err.h>

/* Bytes in memory, or, if data is NULL, in the file fd from the offset on. */
struct hf_append_record {
	const void *data;
	uint64_t size;
	int fd;
	uint64_t offset;
};

/* A record of this size or more is neither kept in memory nor handed over. */
#define HF_APPEND_RECORD_SMALL ((uint64_t)256 << 10)

/* Read `in` to its end. target_path names the file that the record is for. Free the record with
 * hf_append_record_free(). */
enum hf_status hf_append_record_read(struct hf_append_record *record, int in,
				     const char *target_path, struct hf_err *err);
void hf_append_record_free(struct hf_append_record *record);

struct hf_lines {
	int in;
	bool nul; /* lines end with NUL instead of newline */
	char *buffer;
	size_t used, given, size; /* bytes held; of them returned; allocated */
	bool end;
};

/* Return the next whole lines. The record is valid until the next call. HF_NO: no more lines. */
enum hf_status hf_lines_next(struct hf_lines *lines, struct hf_append_record *record,
			     struct hf_err *err);
void hf_lines_free(struct hf_lines *lines);

#endif
