/* SPDX-License-Identifier: ISC */
/* statx(2), which musl's lacks. */
#pragma GCC system_header
#include_next <sys/stat.h>

#ifndef HF_MUSL_STAT_H
#define HF_MUSL_STAT_H
#ifndef STATX_BTIME
#include <linux/stat.h>
#endif
/* musl 1.2.5 has struct statx without its attributes */
#ifndef STATX_ATTR_APPEND
#define STATX_ATTR_IMMUTABLE 0x00000010
#define STATX_ATTR_APPEND 0x00000020
#endif

int statx(int dir, const char *path, int flags, unsigned int mask, struct statx *st);

#endif
