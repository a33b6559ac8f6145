/* SPDX-License-Identifier: ISC */
#ifndef HF_COPY_H
#define HF_COPY_H

/*
 * Moving bytes between descriptors, in constant memory, and comparing them.
 *
 * hf_copy_file() shares blocks where the file system can (FICLONE), else copies in the kernel
 * (copy_file_range), else through a buffer. copy_file_range may return 0 before the end of a file
 * (/proc, some FUSE): the end is confirmed by a read. hf_copy_stream() copies in the kernel from a
 * regular file, splices from a pipe, and from anything else copies through a buffer. Both start
 * writing back early (sync_file_range), so that the sync at the end is short.
 *
 * A read that fails is never taken for the end of the input. `from` and `to` are names for
 * messages; NULL stands for standard input and standard output. Standard input that is closed is
 * HF_NOINPUT; ENOSPC, EDQUOT, EFBIG and EIO are HF_IO. EINTR goes on; a short write goes on; a
 * descriptor that does not block is waited for. Thread-safe; not async-signal-safe. Blocks as its
 * descriptors do.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <holdfast/err.h>

/* Write all of it. */
enum hf_status hf_write_all(int fd, const void *data, size_t size, const char *to,
			    struct hf_err *err);
enum hf_status hf_pwrite_all(int fd, const void *data, size_t size, int64_t at, const char *to,
			     struct hf_err *err);

/* Read up to size bytes, less only at the end of the file; *got says how many. */
enum hf_status hf_read_full(int fd, void *data, size_t size, size_t *got, const char *from,
			    struct hf_err *err);

/* From in's offset to its end, into memory that is to be freed, and a NUL behind it.
 * HF_DATA: there are more than `most` bytes. */
enum hf_status hf_read_all(int in, size_t most, void **data, size_t *size, const char *from,
			   struct hf_err *err);

/* The whole of the regular file `in`, from its start, to the empty file `out`; *size (may be NULL)
 * is its length. Leaves out's offset at the end, and in's where it was. */
enum hf_status hf_copy_file(int in, int out, int64_t *size, const char *from, const char *to,
			    struct hf_err *err);

/* From in's offset to its end, appended at out's offset; *size (may be NULL) counts the bytes. */
enum hf_status hf_copy_stream(int in, int out, int64_t *size, const char *from, const char *to,
			      struct hf_err *err);

/* At most one piece of what can be read from `in` now (for a loop around poll), added to *size.
 * HF_NO: its end. */
enum hf_status hf_copy_some(int in, int out, int64_t *size, const char *from, const char *to,
			    struct hf_err *err);

/* Do the two files, from their start, hold the same bytes? (*same) */
enum hf_status hf_same_content(int a, int b, bool *same, const char *name, struct hf_err *err);

/* SHA-256 of the whole file, 64 hexadecimal digits in lower case. */
enum hf_status hf_sha256(int fd, char hex[65], const char *name, struct hf_err *err);

#endif
