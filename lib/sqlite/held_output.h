/* SPDX-License-Identifier: ISC */
#ifndef HF_OUTBOX_H
#define HF_OUTBOX_H

/*
 * Output that is held back until what it tells of has happened: a transaction that fails, or is
 * tried again, has printed nothing.
 *
 * It is kept in memory while it is small (1 MiB), and beyond that in an unnamed file in TMPDIR,
 * which ends with the process. An error of writing is kept, and told by the next check or send.
 * Zeroed is empty. Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/err.h>

struct hf_deferred {
	char *memory;
	size_t used;
	int fd; /* + 1; 0: no file */
	int64_t filed;
	struct hf_err failed; /* status HF_OK: nothing has */
};

void hf_deferred_write(struct hf_deferred *box, const void *data, size_t size);
void hf_deferred_text(struct hf_deferred *box, const char *text);
void hf_deferred_print(struct hf_deferred *box, const char *format, ...)
	__attribute__((format(printf, 2, 3))); /* at most 1,000 bytes */

/* Has all of it been kept so far? */
enum hf_status hf_deferred_check(const struct hf_deferred *box, struct hf_err *err);

/* Write it all to fd, called `to` in messages (NULL: standard output). */
enum hf_status hf_deferred_flush(struct hf_deferred *box, int fd, const char *to,
				 struct hf_err *err);

/* Write what is in memory to the file as well: for a box that begins as {.fd = FD + 1}, with a file
 * of the caller's. */
enum hf_status hf_deferred_flush_stream(struct hf_deferred *box, struct hf_err *err);

/* Forget it. */
void hf_deferred_clear(struct hf_deferred *box);
void hf_deferred_free(struct hf_deferred *box);

#endif
