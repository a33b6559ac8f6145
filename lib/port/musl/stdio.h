/* SPDX-License-Identifier: ISC */
/* renameat2(2), which musl's lacks. */
#pragma GCC system_header
#include_next <stdio.h>

#ifndef HF_MUSL_STDIO_H
#define HF_MUSL_STDIO_H
#define RENAME_NOREPLACE (1 << 0)
#define RENAME_EXCHANGE	 (1 << 1)

int renameat2(int from, const char *old, int to, const char *new, unsigned int flags);

#endif
