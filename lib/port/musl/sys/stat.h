/* SPDX-License-Identifier: ISC */
/* statx(2), which musl's lacks. */
#pragma GCC system_header
#include_next <sys/stat.h>

#ifndef HF_MUSL_STAT_H
#define HF_MUSL_STAT_H
#ifndef STATX_BTIME
#include <linux/stat.h>
#endif

int statx(int dir, const char *path, int flags, unsigned int mask, struct statx *st);

#endif
