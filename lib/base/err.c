/* SPDX-License-Identifier: ISC */
#include <holdfast/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/strerror.h"

enum hf_status hf_status_of(int errnum)
{
	switch (errnum) {
	case 0:
		return HF_BUG;
	case EIO:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case ESTALE:
	case ENXIO:
		return HF_IO;
	case EACCES:
	case EPERM:
		return HF_NOPERM;
	case ENOENT:
	case ENOTDIR:
	case EROFS:
	case EBUSY: /* a mount point: it cannot be replaced */
	case EXDEV:
	case EMLINK:
		return HF_CANTCREAT;
	case ELOOP:
	case ENAMETOOLONG:
	case EINVAL:
		return HF_USAGE;
	case EISDIR:
		return HF_DATA;
	case EWOULDBLOCK:
		return HF_BUSY;
	case EOPNOTSUPP:
	case ENOSYS:
		return HF_UNAVAILABLE;
	default:
		return HF_OS;
	}
}

size_t hf_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80   ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* C1 controls are escape sequences of a terminal too; the rest are overlong forms,
	 * surrogates, and code points above U+10FFFF */
	if ((s[0] == 0xc2 && s[1] < 0xa0) || (s[0] == 0xe0 && s[1] < 0xa0) ||
	    (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
	    (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

void hf_escape(char *out, size_t size, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char *end = out + size - 1;

	while (*s) {
		char piece[8];
		size_t length = hf_utf8_length((const char *)s);
		size_t n = *s < 0x20 || *s == 0x7f ? 0 : length;

		if (n) {
			memcpy(piece, s, n);
		} else if (*s == '\n' || *s == '\t') {
			n = (size_t)snprintf(piece, sizeof(piece), "\\%c", *s == '\n' ? 'n' : 't');
		} else {
			n = (size_t)snprintf(piece, sizeof(piece), "\\x%02x", *s);
		}
		if ((size_t)(end - out) < n)
			break;
		memcpy(out, piece, n);
		out += n;
		s += length ? length : 1;
	}
	*out = '\0';
}

static void fill_error(struct hf_err *err, enum hf_status status, int errnum, const char *format,
		       va_list args)
{
	char raw[sizeof(err->message)];
	int saved = errno;
	size_t len;

	if (!err)
		return;
	err->status = status;
	err->errnum = errnum;
	err->advice[0] = '\0';
	vsnprintf(raw, sizeof(raw), format, args);
	hf_escape(err->message, sizeof(err->message), raw);
	len = strlen(err->message);
	if (errnum)
		snprintf(err->message + len, sizeof(err->message) - len, ": %s",
			 hf_strerror(errnum));
	errno = saved;
}

enum hf_status hf_fail(struct hf_err *err, enum hf_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill_error(err, status, 0, format, args);
	va_end(args);
	return status;
}

enum hf_status hf_fail_errno(struct hf_err *err, const char *format, ...)
{
	enum hf_status status = hf_status_of(errno);
	va_list args;

	va_start(args, format);
	fill_error(err, status, errno, format, args);
	va_end(args);
	return status;
}

enum hf_status hf_fail_errno_as(struct hf_err *err, enum hf_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill_error(err, status, errno, format, args);
	va_end(args);
	return status;
}

void hf_advise(struct hf_err *err, const char *format, ...)
{
	char raw[sizeof(err->advice)], line[sizeof(err->advice)];
	int saved = errno;
	size_t used;
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	hf_escape(line, sizeof(line), raw);
	used = strlen(err->advice);
	if (used + strlen(line) + 2 <= sizeof(err->advice))
		snprintf(err->advice + used, sizeof(err->advice) - used, "%s%s", used ? "\n" : "",
			 line);
	errno = saved;
}

static void (*notice_function)(void *context, const char *line);
static void *notice_context;

void hf_set_notice(void (*notice)(void *context, const char *line), void *context)
{
	notice_function = notice;
	notice_context = context;
}

void hf_notice(const char *format, ...)
{
	char text[1024], line[1024];
	int saved = errno;
	va_list args;

	if (!notice_function)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	hf_escape(line, sizeof(line), text);
	notice_function(notice_context, line);
	errno = saved;
}
