/* SPDX-License-Identifier: ISC */
#ifndef HF_GETOPT_GLIBC_H
#define HF_GETOPT_GLIBC_H

/*
 * Command-line options: getopt_long(3) as glibc has it, whatever C library the tools use.
 *
 *	struct hf_options options = {.tool = "tool", .next = argv + 1};
 *	while ((id = hf_options_next(&options, "ab:c::", longs)) != -1)
 *		... id, options.arg, options.index ...
 *	operands = options.next;
 *
 * The first operand, or "--", ends the options. Errors are printed after "tool: ", and '?' is
 * returned. Keeps pointers to argv; allocates nothing.
 */

#include <getopt.h>

struct hf_options {
	const char *tool; /* the name in messages */
	char **next;	  /* the next argument; NULL-terminated */
	char *arg;	  /* the argument of the option just returned, or NULL */
	int index;	  /* index of a long option in the table; otherwise -1 */
	char *letters;	  /* position among several letters in one argument; NULL at the start */
};

/* Return the letter or val of the next option; '?' for an error, -1 at the end. letters as for
 * getopt(3), without flags. longs may be another table each time; its flag members are NULL. */
int hf_options_next(struct hf_options *options, const char *letters, const struct option *longs);

#endif
