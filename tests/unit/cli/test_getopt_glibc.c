/* SPDX-License-Identifier: ISC */
#include "cli/getopt_glibc.h"

#include <stdio.h>
#include <string.h>

#include "hf_test.h"

static const struct option longs[] = {
	{"shared", no_argument, NULL, 's'},
	{"nonblock", no_argument, NULL, 'n'},
	{"nb", no_argument, NULL, 'n'},
	{"no-fork", no_argument, NULL, 'F'},
	{"wait", required_argument, NULL, 'w'},
	{"waiting", required_argument, NULL, 300},
	{"sync", required_argument, NULL, 301},
	{"backup", optional_argument, NULL, 'b'},
	{"backup-dir", required_argument, NULL, 302},
	{"bare", no_argument, NULL, 303},
	{NULL, 0, NULL, 0},
};
static const char letters[] = "snFw:b::?";

enum { MAX_WORDS = 16 };

struct reading {
	char text[512]; /* what was understood */
	char errors[1024];
};

static size_t note(struct reading *r, int id, const char *arg, int index)
{
	size_t len = strlen(r->text);

	return (size_t)snprintf(r->text + len, sizeof(r->text) - len, "%d=%s@%d ", id,
				arg ? arg : "(none)", index);
}

static void by_glibc(struct reading *r, int argc, char **argv)
{
	char flagged[sizeof(letters) + 1];
	int id, index = -1;

	snprintf(flagged, sizeof(flagged), "+%s", letters);
	optind = 0; /* begin again */
	while ((id = getopt_long(argc, argv, flagged, longs, &index)) != -1) {
		/* the value that glibc leaves there after an error is no argument */
		note(r, id, id == '?' ? NULL : optarg, id == '?' ? -1 : index);
		index = -1;
	}
	note(r, -1, argv[optind], -1);
}

static void by_us(struct reading *r, char **argv)
{
	struct hf_options options = {.tool = argv[0], .next = argv + 1};
	int id;

	while ((id = hf_options_next(&options, letters, longs)) != -1)
		note(r, id, options.arg, options.index);
	note(r, -1, *options.next, -1);
}

/* With standard error in r->errors. */
static void read_words(struct reading *r, int argc, char **argv, bool glibc)
{
	FILE *old = stderr, *errors;

	memset(r, 0, sizeof(*r));
	errors = fmemopen(r->errors, sizeof(r->errors), "w");
	assert_non_null(errors);
	stderr = errors;
	if (glibc)
		by_glibc(r, argc, argv);
	else
		by_us(r, argv);
	stderr = old;
	fclose(errors);
}

static void compare(const char *line)
{
	char copy[256], *argv[MAX_WORDS + 1], *rest = copy;
	struct reading ours, theirs;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	while (rest && argc < MAX_WORDS)
		argv[argc++] = strsep(&rest, " ");
	argv[argc] = NULL;
	read_words(&theirs, argc, argv, true);
	read_words(&ours, argc, argv, false);
	if (strcmp(ours.text, theirs.text) != 0)
		fail_msg("'%s': %s, and glibc says %s", line, ours.text, theirs.text);
	if (strcmp(ours.errors, theirs.errors) != 0)
		fail_msg("'%s': %s, and glibc says %s", line, ours.errors, theirs.errors);
}

static void arguments_are_parsed_as_by_glibc(void **state)
{
	static const char *const lines[] = {
		"t",
		"t file",
		"t - x",
		"t -- -s",
		"t -s -- -n",
		"t -s file -n",
		"t -snF x",
		"t -sw 5 x",
		"t -sw5 x",
		"t -w",
		"t -sw",
		"t -w -- x",
		"t -b x",
		"t -bx y",
		"t -sb",
		"t -sxn y",
		"t -: x",
		"t -s: x",
		"t -+ x",
		"t -? x",
		"t -s- x",
		"t  x",
		"t --shared --nonblock --nb x",
		"t --sh x",
		"t --s x",
		"t --n x",
		"t --non x",
		"t --no x",
		"t --no=5 x",
		"t --wait 5 x",
		"t --wait=5 x",
		"t --wait= x",
		"t --waiting 5 x",
		"t --wai 5 x",
		"t --waiti 5 x",
		"t --wait",
		"t --sy",
		"t --sy=",
		"t --wait -- x",
		"t --backup x",
		"t --backup=.old x",
		"t --backup= x",
		"t --back x",
		"t --backup-=x y",
		"t --ba=1 x",
		"t --bar=1 x",
		"t --bare= x",
		"t --nonesuch x",
		"t --nonesuch=5 x",
		"t --= x",
		"t --=5 x",
		"t --shared=x y",
		"t --sharedx y",
		"t --- x",
		"/a/b/t -x",
		"/a/b/t --x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		compare(lines[i]);
}

/* Words of the pieces that matter, in every order. */
static void all_short_lines_are_parsed_as_by_glibc(void **state)
{
	static const char *const pieces[] = {"-s", "-w",  "-b",   "-x",	   "--",   "-",	    "--n",
					     "=1", "--w", "wait", "--nb=", " --b", " ", " --sh"};
	enum { PIECES = sizeof(pieces) / sizeof(pieces[0]) };
	char line[64];

	(void)state;
	for (size_t i = 0; i < PIECES * PIECES * PIECES * PIECES; i++) {
		snprintf(line, sizeof(line), "t %s%s%s%s", pieces[i % PIECES],
			 pieces[i / PIECES % PIECES], pieces[i / PIECES / PIECES % PIECES],
			 pieces[i / PIECES / PIECES / PIECES]);
		compare(line);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(arguments_are_parsed_as_by_glibc),
	cmocka_unit_test(all_short_lines_are_parsed_as_by_glibc),
};

HF_TEST_MAIN(tests)
