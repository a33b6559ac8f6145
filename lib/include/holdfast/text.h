/* SPDX-License-Identifier: ISC */
#ifndef HF_TEXT_H
#define HF_TEXT_H

/*
 * Text for people: one printable line, whatever the names in it are.
 *
 * Control characters and bytes that are not UTF-8 become \n, \t or \xHH. Text that does not fit is
 * cut between characters. errno is preserved. Thread-safe; not async-signal-safe.
 */

#include <stdarg.h>
#include <stddef.h>

/* Copy text into out (size bytes, always terminated), printable. */
void hf_escape(char *out, size_t size, const char *text);

/* Format at most 1023 bytes, and copy them into out as hf_escape() does. */
void hf_vescape(char *out, size_t size, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Return the number of bytes of the character at text; 0 if none begins there: invalid UTF-8, or a
 * C1 control. */
size_t hf_utf8_length(const char *text);

#endif
