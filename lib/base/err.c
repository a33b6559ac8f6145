/* SPDX-License-Identifier: ISC */
#include <holdfast/err.h>

#include <errno.h>
#include <stdarg.h>
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

static void fill_error(struct hf_err *err, enum hf_status status, int errnum, const char *format,
		       va_list args)
{
	int saved = errno;
	size_t len;

	if (!err)
		return;
	err->status = status;
	err->errnum = errnum;
	err->advice[0] = '\0';
	hf_vescape(err->message, sizeof(err->message), format, args);
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
	char line[sizeof(err->advice)];
	int saved = errno;
	size_t used;
	va_list args;

	if (!err)
		return;
	va_start(args, format);
	hf_vescape(line, sizeof(line), format, args);
	va_end(args);
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
	char line[1024];
	int saved = errno;
	va_list args;

	if (!notice_function)
		return;
	va_start(args, format);
	hf_vescape(line, sizeof(line), format, args);
	va_end(args);
	notice_function(notice_context, line);
	errno = saved;
}
