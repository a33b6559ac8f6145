/* SPDX-License-Identifier: ISC */
/*
 * add FILE
 *
 * Adds one to the number in FILE, as a read and a write: two at once lose one. In place, since a
 * file that is emptied first is a matter of the disk on ext4, not of the lock.
 */

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char text[32] = "";
	int fd, size;

	if (argc != 2)
		errx(64, "usage: add FILE");
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) < 0)
		err(66, "%s", argv[1]);
	size = snprintf(text, sizeof(text), "%ld\n", strtol(text, NULL, 10) + 1);
	if (pwrite(fd, text, (size_t)size, 0) != size)
		err(74, "%s", argv[1]);
	return 0;
}
