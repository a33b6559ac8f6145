/* SPDX-License-Identifier: ISC */
#ifndef HF_HELD_OUTPUT_H
#define HF_HELD_OUTPUT_H

/*
 * Output that is held back until the transaction that it describes is committed.
 *
 * Up to 1 MiB is kept in memory, more in an unnamed file in TMPDIR, which disappears with the
 * process. A write error is kept and reported by the next check or flush. A zeroed struct is empty.
 * Not thread-safe.
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
	struct hf_err failed; /* status HF_OK: no failure */
};

void hf_deferred_write(struct hf_deferred *box, const void *data, size_t size);
void hf_deferred_text(struct hf_deferred *box, const char *text);
/* Write data between quotes, with every quote in it doubled. */
void hf_deferred_quoted(struct hf_deferred *box, const char *data, size_t size, char quote);
/* Write two digits for each byte; digits is "0123456789abcdef", or with capitals. */
void hf_deferred_hex(struct hf_deferred *box, const void *data, size_t size, const char *digits);
void hf_deferred_print(struct hf_deferred *box, const char *format, ...)
	__attribute__((format(printf, 2, 3))); /* at most 1,000 bytes */

/* Return the first write error, or HF_OK. */
enum hf_status hf_deferred_check(const struct hf_deferred *box, struct hf_err *err);

/* Write everything to fd, which is `to` in messages (NULL: standard output). */
enum hf_status hf_deferred_flush(struct hf_deferred *box, int fd, const char *to,
				 struct hf_err *err);

/* Write the content of memory to the file too: for a struct that begins as {.fd = FD + 1}, with a
 * file of the caller. */
enum hf_status hf_deferred_flush_stream(struct hf_deferred *box, struct hf_err *err);

/* Discard the output. */
void hf_deferred_clear(struct hf_deferred *box);
void hf_deferred_free(struct hf_deferred *box);

#endif
