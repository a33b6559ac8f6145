/* SPDX-License-Identifier: ISC */
#include "base/strerror.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Errors of files, locks and processes that have different names somewhere. */
static const struct {
	int errnum;
	const char *name;
} errors[] = {
	{EIO, "Input/output error"},
	{ECHILD, "No child processes"},
	{ENOMEM, "Cannot allocate memory"},
	{EBUSY, "Device or resource busy"},
	{EXDEV, "Invalid cross-device link"},
	{EMFILE, "Too many open files"},
	{ENOTTY, "Inappropriate ioctl for device"},
	{ESPIPE, "Illegal seek"},
	{EDOM, "Numerical argument out of domain"},
	{ERANGE, "Numerical result out of range"},
	{EDEADLK, "Resource deadlock avoided"},
	{ENAMETOOLONG, "File name too long"},
	{ELOOP, "Too many levels of symbolic links"},
	{EOVERFLOW, "Value too large for defined data type"},
	{ELIBBAD, "Accessing a corrupted shared library"},
	{EILSEQ, "Invalid or incomplete multibyte or wide character"},
	{EUSERS, "Too many users"},
	{ENOTSOCK, "Socket operation on non-socket"},
	{EOPNOTSUPP, "Operation not supported"},
	{ENOTCONN, "Transport endpoint is not connected"},
	{ESHUTDOWN, "Cannot send after transport endpoint shutdown"},
	{ETIMEDOUT, "Connection timed out"},
	{EHOSTUNREACH, "No route to host"},
	{ENETUNREACH, "Network is unreachable"},
	{EREMOTEIO, "Remote I/O error"},
	{EUCLEAN, "Structure needs cleaning"},
	{EDQUOT, "Disk quota exceeded"},
	{EHWPOISON, "Memory page has hardware error"},
};

const char *hf_strerror(int errnum)
{
	const char *name;
	int saved = errno;

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].errnum == errnum)
			return errors[i].name;
	name = strerror(errnum);
	errno = saved;
	return name;
}

const char *hf_strsignal(int signo)
{
	enum { FIRST_REALTIME = 34 }; /* the kernel's 32 and 33 belong to glibc */
	static char realtime[32];
	const char *name;
	int saved = errno;

	if (signo == SIGFPE)
		return "Floating point exception";
	if (signo >= FIRST_REALTIME && signo <= SIGRTMAX) {
		snprintf(realtime, sizeof(realtime), "Real-time signal %d", signo - FIRST_REALTIME);
		return realtime;
	}
	name = strsignal(signo);
	errno = saved;
	return name;
}
