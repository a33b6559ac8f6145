/* SPDX-License-Identifier: ISC */
#ifndef HF_OPTIONS_H
#define HF_OPTIONS_H

/*
 * The words of a command line as options: getopt_long(3) as glibc has it.
 *
 * C libraries differ in what an abbreviation may stand for, and in every message. This room takes
 * glibc's side whatever the tools are linked with. The first operand, or "--", ends the options.
 *
 *	struct hf_options options = {.tool = "tool", .next = argv + 1};
 *	while ((id = hf_options_next(&options, "ab:c::", longs)) != -1)
 *		… id, options.arg, options.index …
 *	operands = options.next;
 *
 * What is wrong with a word is printed, behind "tool: ", and '?' returned. Keeps pointers to argv
 * and allocates nothing.
 */

#include <getopt.h>

struct hf_options {
	const char *tool; /* the name in messages */
	char **next;	  /* the next word; NULL-terminated */
	char *arg;	  /* the argument of the option just returned, or NULL */
	int index;	  /* of a long option: its place in the table; else -1 */
	char *letters;	  /* behind the first of several in one word; begins as NULL */
};

/* An option's letter or val; '?' is an error, -1 the end. letters as for getopt(3), without flags;
 * longs may be another table each time, its flag members NULL. */
int hf_options_next(struct hf_options *options, const char *letters, const struct option *longs);

#endif
