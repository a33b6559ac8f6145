/* SPDX-License-Identifier: ISC */
#ifndef HF_COPY_H
#define HF_COPY_H

/*
 * Move bytes between descriptors in constant memory, and compare them.
 *
 * hf_copy_file() shares blocks if the file system can (FICLONE), otherwise copies in the kernel or
 * through a buffer. hf_copy_stream() copies in the kernel from a regular file, splices from a pipe,
 * and copies through a buffer otherwise. Writing to the disk starts early (sync_file_range(2)), so
 * that the final sync is short. The end of a file is confirmed by a read, since copy_file_range(2)
 * may return 0 before it.
 *
 * A failed read is never taken for the end of input. `from` and `to` are names for messages; NULL:
 * standard input and output. HF_NOINPUT: standard input is closed. HF_IO: ENOSPC, EDQUOT, EFBIG,
 * EIO. EINTR and short writes are continued; a non-blocking descriptor is waited for. Blocks as its
 * descriptors do. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/err.h>

/* Write all of the data. */
enum hf_status hf_write_all(int fd, const void *data, size_t size, const char *to,
			    struct hf_err *err);
enum hf_status hf_pwrite_all(int fd, const void *data, size_t size, int64_t at, const char *to,
			     struct hf_err *err);

/* Read up to size bytes, fewer only at the end of the file; *got is their number. */
enum hf_status hf_read_full(int fd, void *data, size_t size, size_t *got, const char *from,
			    struct hf_err *err);

/* Read exactly size bytes at an offset. HF_IO with errnum EIO: the file ends before. */
enum hf_status hf_pread_exactly(int fd, void *data, size_t size, uint64_t at, const char *from,
				struct hf_err *err);

/* Read from in's offset to its end into memory, which the caller frees, followed by a NUL. HF_DATA:
 * more than max bytes. */
enum hf_status hf_read_all(int in, size_t max, void **data, size_t *size, const char *from,
			   struct hf_err *err);

/* Copy the whole regular file `in` to the empty file `out`. Leaves out's offset at the end, and
 * in's unchanged. */
enum hf_status hf_copy_file(int in, int out, const char *from, const char *to, struct hf_err *err);

/* Append everything from in's offset to its end at out's offset; *size (or NULL) is the number of
 * bytes. */
enum hf_status hf_copy_stream(int in, int out, int64_t *size, const char *from, const char *to,
			      struct hf_err *err);

/* Copy at most one piece that can be read from `in` now (for a loop around poll); add it to *size.
 * HF_NO: end of input. */
enum hf_status hf_copy_some(int in, int out, int64_t *size, const char *from, const char *to,
			    struct hf_err *err);

/* Compare two files from their start. *same: they have the same content. */
enum hf_status hf_same_content(int a, int b, bool *same, const char *name, struct hf_err *err);

/* Return the SHA-256 of the whole file as 64 lower-case hexadecimal digits. */
enum hf_status hf_sha256(int fd, char hex[65], const char *name, struct hf_err *err);

#endif
