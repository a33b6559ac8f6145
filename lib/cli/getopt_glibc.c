/* SPDX-License-Identifier: ISC */
#include "cli/getopt_glibc.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool begins_with(const struct option *option, const char *word, size_t len)
{
	return strncmp(option->name, word, len) == 0;
}

static bool are_alike(const struct option *a, const struct option *b)
{
	return a->has_arg == b->has_arg && a->val == b->val;
}

static void list_possibilities(const char *tool, const char *word, size_t len,
			       const struct option *longs, const struct option *first)
{
	fprintf(stderr, "%s: option '--%s' is ambiguous; possibilities:", tool, word);
	for (const struct option *o = longs; o->name; o++)
		if (begins_with(o, word, len) && (o == first || !are_alike(o, first)))
			fprintf(stderr, " '--%s'", o->name);
	fputc('\n', stderr);
}

/* Find the option that this argument names or abbreviates; several equivalent ones count as one. */
static const struct option *find_long(const char *tool, const char *word, size_t len,
				      const struct option *longs)
{
	const struct option *first = NULL;
	bool ambiguous = false;

	for (const struct option *o = longs; o->name; o++)
		if (begins_with(o, word, len) && strlen(o->name) == len)
			return o;
	for (const struct option *o = longs; o->name; o++) {
		if (!begins_with(o, word, len))
			continue;
		if (!first)
			first = o;
		ambiguous |= !are_alike(o, first);
	}
	if (!first)
		fprintf(stderr, "%s: unrecognized option '--%s'\n", tool, word);
	else if (ambiguous)
		list_possibilities(tool, word, len, longs, first);
	return ambiguous ? NULL : first;
}

static int next_long(struct hf_options *options, char *word, const struct option *longs)
{
	size_t len = strcspn(word, "=");
	const struct option *o = find_long(options->tool, word, len, longs);

	if (!o)
		return '?';
	if (word[len] && o->has_arg == no_argument) {
		fprintf(stderr, "%s: option '--%s' doesn't allow an argument\n", options->tool,
			o->name);
		return '?';
	}
	if (word[len]) {
		options->arg = word + len + 1;
	} else if (o->has_arg == required_argument) {
		options->arg = *options->next;
		if (!options->arg) {
			fprintf(stderr, "%s: option '--%s' requires an argument\n", options->tool,
				o->name);
			return '?';
		}
		options->next++;
	}
	options->index = (int)(o - longs);
	return o->val;
}

static int next_letter(struct hf_options *options, const char *letters)
{
	char letter = *options->letters++, *rest = options->letters;
	const char *known = letter == ':' ? NULL : strchr(letters, letter);

	if (!*rest)
		options->letters = NULL;
	if (!known) {
		fprintf(stderr, "%s: invalid option -- '%c'\n", options->tool, letter);
		return '?';
	}
	if (known[1] != ':')
		return letter;
	options->letters = NULL;
	if (*rest) {
		options->arg = rest;
	} else if (known[2] != ':') {
		options->arg = *options->next;
		if (!options->arg) {
			fprintf(stderr, "%s: option requires an argument -- '%c'\n", options->tool,
				letter);
			return '?';
		}
		options->next++;
	}
	return letter;
}

int hf_options_next(struct hf_options *options, const char *letters, const struct option *longs)
{
	char *word;

	options->arg = NULL;
	options->index = -1;
	if (options->letters)
		return next_letter(options, letters);
	word = *options->next;
	if (!word || word[0] != '-' || !word[1])
		return -1;
	options->next++;
	if (strcmp(word, "--") == 0)
		return -1;
	if (word[1] == '-')
		return next_long(options, word + 2, longs);
	options->letters = word + 1;
	return next_letter(options, letters);
}
