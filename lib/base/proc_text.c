/* SPDX-License-Identifier: ISC */
#include "base/proc_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

ssize_t hf_proc_text(char *out, size_t size, const char *format, ...)
{
	char path[64];
	va_list args;
	ssize_t n;
	int fd, saved;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, out, size - 1);
	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	out[n > 0 ? n : 0] = '\0';
	return n;
}
