/* SPDX-License-Identifier: ISC */
#include "sqlite/sql_lexer.h"

#include <string.h>

/* Return the length of the white space at s: SQLite's, without the vertical tab, and a byte order
 * mark. */
static size_t space_length(const char *s, const char *end)
{
	if (memchr(" \t\n\f\r;", *s, 6))
		return 1;
	return end - s >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Return the end of the comment at s; s itself if there is none. */
static const char *skip_comment(const char *s, const char *end)
{
	const char *close;

	if (end - s < 2)
		return s;
	if (memcmp(s, "--", 2) == 0) {
		close = memchr(s, '\n', (size_t)(end - s));
		return close ? close + 1 : end;
	}
	if (memcmp(s, "/*", 2) == 0) {
		close = memmem(s + 2, (size_t)(end - s - 2), "*/", 2);
		return close ? close + 2 : end;
	}
	return s;
}

const char *hf_sql_skip(const char *s, const char *end)
{
	while (s < end) {
		const char *next = skip_comment(s, end);

		if (next == s)
			next += space_length(s, end);
		if (next == s)
			break;
		s = next;
	}
	return s;
}

/* Return the closing quote of the string or name that is quoted at s, or end; NULL if there is no
 * quote at s. */
static const char *closing_quote(const char *s, const char *end)
{
	const char *close;

	if (s == end || !memchr("'\"`[", *s, 4))
		return NULL;
	close = memchr(s + 1, *s == '[' ? ']' : *s, (size_t)(end - s - 1));
	return close ? close : end;
}

const char *hf_sql_end(const char *s, const char *end)
{
	while (s < end && *s != ';') {
		const char *next = skip_comment(s, end), *close = closing_quote(s, end);

		if (next == s)
			next = !close ? s + 1 : close == end ? end : close + 1;
		s = next;
	}
	return s;
}

static bool is_word_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

const char *hf_sql_word(const char *s, const char *end, char *word, size_t size)
{
	size_t n = 0;

	for (; s < end && is_word_char(*s); s++)
		if (n + 1 < size)
			word[n++] = *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s;
	word[n] = '\0';
	return s;
}

const char *hf_sql_name(const char *s, const char *end, char *name, size_t size)
{
	const char *close = closing_quote(s, end);

	if (!close)
		return hf_sql_word(s, end, name, size);
	/* a name with other characters is unknown to the caller */
	if (hf_sql_word(s + 1, close, name, size) != close)
		name[0] = '\0';
	return close == end ? end : close + 1;
}

void hf_sql_position(const char *text, const char *at, size_t *line, size_t *column)
{
	*line = *column = 1;
	for (; text < at; text++) {
		if (*text == '\n') {
			++*line;
			*column = 1;
		} else if ((*text & 0xc0) != 0x80) {
			++*column;
		}
	}
}
