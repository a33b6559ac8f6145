/* SPDX-License-Identifier: ISC */
/* Pidfds, which musl lacks. */
#pragma GCC system_header

#ifndef HF_MUSL_PIDFD_H
#define HF_MUSL_PIDFD_H
#include <sys/types.h>

int pidfd_open(pid_t pid, unsigned int flags);

#endif
