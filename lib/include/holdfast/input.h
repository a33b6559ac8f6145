/* SPDX-License-Identifier: ISC */
#ifndef HF_INPUT_H
#define HF_INPUT_H

/*
 * Records out of a stream: all of it as one, or each line.
 *
 * One record is kept in memory while it is small (HF_APPEND_RECORD_SMALL), and can be handed over;
 * a larger one goes to an unnamed file in the target's directory, so that memory is constant and a
 * full disk shows before anything is touched.
 *
 * Lines are taken as they come: hf_lines_next() waits for input, takes what else is there already,
 * and gives all whole lines as one record, since many lines then cost one append, and a slow writer
 * is not kept waiting for a buffer to fill. The last line gets its newline if it has none, lest the
 * next record be glued to it.
 *
 * A read that fails is never taken for the end (HF_IO; HF_NOINPUT for a closed descriptor). Blocks
 * on its input. Not async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/err.h>

/* Bytes in memory, or (data NULL) in a file from an offset. */
struct hf_append_record {
	const void *data;
	uint64_t size;
	int fd;
	uint64_t at;
};

/* A record of this size or more is not kept in memory, and not handed over. */
#define HF_APPEND_RECORD_SMALL ((uint64_t)256 << 10)

/* Read `in` to its end. record->data, or record->fd, is released by hf_append_record_free(). */
enum hf_status hf_append_record_read(struct hf_append_record *record, int in,
				     const char *target_path, struct hf_err *err);
void hf_append_record_free(struct hf_append_record *record);

struct hf_lines {
	int in;
	bool nul; /* lines end in NUL, not in newline */
	char *buffer;
	size_t used, given, size; /* bytes held; of them handed out; allocated */
	bool end;
};

/* The next whole lines; record is valid until the next call. HF_NO: there are no more. */
enum hf_status hf_lines_next(struct hf_lines *lines, struct hf_append_record *record,
			     struct hf_err *err);
void hf_lines_free(struct hf_lines *lines);

#endif
