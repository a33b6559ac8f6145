/* SPDX-License-Identifier: ISC */
#ifndef FUZZ_H
#define FUZZ_H

/*
 * What the fuzzers share: promises that end the run where they do not hold, an input that is taken
 * apart piece by piece, and a directory for the files that the code under test reads.
 *
 * Nothing is synced: the files are read again by this process only, and a sync takes a hundred
 * times as long as all else. The functions here take the place of the C library's.
 */

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define require(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

/* ---- the input ------------------------------------------------------------------------------- */

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next byte; 0 after the end. */
static inline uint8_t take_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

/* Eight bytes, in the machine's order, as far as there are some. */
static inline uint64_t take_number(struct input *in)
{
	uint64_t number = 0;
	size_t n = in->left < sizeof(number) ? in->left : sizeof(number);

	memcpy(&number, in->at, n);
	in->at += n;
	in->left -= n;
	return number;
}

/* A size or offset: small, near one of the two places that matter, or anything. */
static inline uint64_t take_offset(struct input *in, uint64_t a, uint64_t b)
{
	uint8_t how = take_byte(in);

	switch (how & 7) {
	case 0:
		return how >> 3;
	case 1:
		return a + (how >> 3);
	case 2:
		return a - (how >> 3);
	case 3:
		return b + (how >> 3);
	case 4:
		return b - (how >> 3);
	case 5:
		return UINT64_MAX - (how >> 3);
	case 6:
		return UINT64_C(1) << (how >> 2);
	default:
		return take_number(in);
	}
}

/* At most `most` bytes: a length in one byte, and they. */
static inline struct input take_piece(struct input *in, size_t most)
{
	size_t n = take_byte(in);
	struct input piece;

	if (n > most)
		n = most;
	if (n > in->left)
		n = in->left;
	piece = (struct input){in->at, n};
	in->at += n;
	in->left -= n;
	return piece;
}

/* ---- the files ------------------------------------------------------------------------------- */

static char fuzz_dir[256];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void remove_fuzz_dir(void)
{
	remove_tree(fuzz_dir);
}

/* A name in the directory, which is made by the first call. */
static inline const char *in_dir(const char *name, char path[512])
{
	const char *tmp = getenv("TMPDIR");

	if (!fuzz_dir[0]) {
		snprintf(fuzz_dir, sizeof(fuzz_dir), "%s/fuzz.XXXXXX", tmp ? tmp : "/tmp");
		require(mkdtemp(fuzz_dir));
		atexit(remove_fuzz_dir);
	}
	snprintf(path, 512, "%s/%s", fuzz_dir, name);
	return path;
}

/* A file of this content; fd -1, or open for reading and writing. */
static inline int put_file(const char *name, const void *data, size_t size, bool keep)
{
	char path[512];
	int fd = open(in_dir(name, path), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (keep)
		return fd;
	close(fd);
	return -1;
}

/* A whole file, to be freed. */
static inline char *get_file(const char *name, size_t *size)
{
	char path[512], *data;
	int fd = open(in_dir(name, path), O_RDONLY | O_CLOEXEC);
	off_t end;

	if (fd < 0)
		return NULL;
	end = lseek(fd, 0, SEEK_END);
	require(end >= 0 && end < 64 << 20);
	*size = (size_t)end;
	data = malloc(*size + 1);
	require(data && pread(fd, data, *size, 0) == (ssize_t)*size);
	data[*size] = '\0';
	close(fd);
	return data;
}

#endif
