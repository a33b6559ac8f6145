/* SPDX-License-Identifier: ISC */
#include "git/commit_message.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Return the length of the line without the blanks at its end; *next is the next line, or NULL. */
static size_t line_at(const char *text, const char **next)
{
	size_t len = strcspn(text, "\n");

	*next = text[len] ? text + len + 1 : NULL;
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	return len;
}

/* Clean text up into out, which is larger by a newline. Return the length. */
static size_t clean_text(const char *text, struct hf_cleanup cleanup, char *out)
{
	bool blank = false;
	size_t size = 0;

	if (cleanup.verbatim) {
		size = strlen(text);
		memcpy(out, text, size + 1);
		if (size && out[size - 1] != '\n')
			strcpy(out + size++, "\n");
		return size;
	}
	while (text && *text) {
		const char *next;
		size_t len = line_at(text, &next);

		if (cleanup.comment && *text == cleanup.comment) {
			/* not even a blank line is left */
		} else if (!len) {
			blank = size > 0;
		} else {
			if (blank)
				out[size++] = '\n';
			memcpy(out + size, text, len);
			size += len;
			out[size++] = '\n';
			blank = false;
		}
		text = next;
	}
	out[size] = '\0';
	return size;
}

/* Return the last paragraph of a cleaned message; NULL if there is only one. */
static const char *last_paragraph(const char *message)
{
	const char *last = NULL, *gap = message;

	while ((gap = strstr(gap, "\n\n")))
		last = gap += 2;
	return last;
}

/* Return true for "Key: value" with a key of letters, digits and hyphens. */
static bool is_trailer(const char *line, size_t len)
{
	size_t key = 0;

	while (key < len && (isalnum((unsigned char)line[key]) || line[key] == '-'))
		key++;
	if (!key)
		return false;
	while (key < len && (line[key] == ' ' || line[key] == '\t'))
		key++;
	return key < len && line[key] == ':';
}

static bool is_git_trailer(const char *line)
{
	return strncmp(line, "Signed-off-by: ", 15) == 0 ||
	       strncmp(line, "(cherry picked from commit ", 27) == 0;
}

static bool is_trailer_block(const char *text)
{
	int trailers = 0, others = 0;
	bool known = false, continues = false;

	while (text && *text) {
		const char *next;
		size_t len = line_at(text, &next);

		if (is_git_trailer(text) || is_trailer(text, len)) {
			known = known || is_git_trailer(text);
			trailers++;
			continues = true;
		} else if (!continues || !isspace((unsigned char)*text)) {
			others++;
			continues = false;
		}
		text = next;
	}
	return trailers && (!others || (known && trailers * 3 >= others));
}

enum hf_status hf_commit_message_make(const char *text, struct hf_cleanup cleanup,
				      const char *trailer, char **message, struct hf_err *err)
{
	size_t size = strlen(text) + (trailer ? strlen(trailer) : 0) + 4;
	const char *block;
	char *out = malloc(size);

	if (!out)
		return hf_fail_errno(err, "cannot make the commit message");
	size = clean_text(text, cleanup, out);
	if (!size) {
		free(out);
		return hf_fail(err, HF_DATA, "the commit message is empty");
	}
	if (trailer) {
		block = last_paragraph(out);
		if (!block || !is_trailer_block(block))
			out[size++] = '\n';
		size = (size_t)(stpcpy(out + size, trailer) - out);
		strcpy(out + size, "\n");
	}
	*message = out;
	return HF_OK;
}

bool hf_commit_message_has(const char *message, const char *trailer)
{
	size_t len = strlen(trailer);
	const char *line = last_paragraph(message);

	while (line) {
		const char *next;

		if (line_at(line, &next) == len && strncmp(line, trailer, len) == 0)
			return true;
		line = next;
	}
	return false;
}
