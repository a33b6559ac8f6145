/* SPDX-License-Identifier: ISC */
#include <holdfast/text.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

size_t hf_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80	 ? 1
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

void hf_vescape(char *out, size_t size, const char *format, va_list args)
{
	char raw[1024];
	int saved = errno;

	vsnprintf(raw, sizeof(raw), format, args);
	hf_escape(out, size, raw);
	errno = saved;
}
