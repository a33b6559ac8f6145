/* SPDX-License-Identifier: ISC */
#ifndef HF_CLI_H
#define HF_CLI_H

/*
 * The command line: one option table drives parsing, --help and (through --help) completion.
 *
 * A tool declares a struct hf_cli with its table, calls hf_cli_start() first of all, then
 * hf_cli_next() until HF_CLI_END, finds its operands at cli->operands, does one library call, and
 * returns hf_cli_finish(). The first operand ends the options. Long options may be abbreviated.
 * -h -V -q -v are the same everywhere and handled here.
 *
 * This room is the tools' own and no part of the shared library: it is the only one that prints,
 * and the only one that exits (64 for a usage error, 0 after --help and --version).
 * Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <holdfast/err.h>
#include <holdfast/lock_wait.h>

#define HF_VERSION "0.1.0"

struct hf_opt {
	int id;		  /* the letter where there is one, else from HF_OPT_LONG up */
	const char *name; /* the long name, or NULL */
	const char *arg;  /* its argument's name; "[NAME]" is optional; NULL: none */
	const char *help; /* NULL: an alias that --help does not list */
};

enum {
	HF_CLI_END = -1,
	HF_OPT_LONG = 0x100, /* options without a letter, shared by the tools … */
	HF_OPT_BACKOFF = HF_OPT_LONG,
	HF_OPT_MODE,
	HF_OPT_PARENTS,
	HF_OPT_IF_MATCH,
	HF_OPT_SKIP_SAME,
	HF_OPT_VALIDATE,
	HF_OPT_ALLOW_EMPTY,
	HF_OPT_PRINT,
	HF_OPT_SYNC,
	HF_OPT_NO_FOLLOW,
	HF_OPT_BREAK_LINKS,
	HF_OPT_OWN = 0x200, /* … and each tool's own from here */
};

/* Rows that every tool writes alike. */
#define HF_ROWS_WAIT(default_wait)                                                                 \
	{'w', "timeout", "DURATION",                                                               \
	 "wait at most DURATION for locks (default " default_wait "); never limits COMMAND"},      \
		{'w', "wait", "DURATION", NULL}, {'n', "nonblock", NULL, "do not wait for locks"}, \
		{'n', "nb", NULL, NULL}, {'n', "nonblocking", NULL, NULL}
#define HF_ROW_CONFLICT                                                                            \
	{'E', "conflict-exit-code", "N", "exit with N instead of 75 when a lock is busy"}
#define HF_ROW_COMMAND {'c', "command", "STRING", "run STRING by $SHELL -c, or /bin/sh -c"}
#define HF_ROWS_END {0, NULL, NULL, NULL}

struct hf_cli {
	const char *tool;	     /* the name in messages */
	const char *const *synopsis; /* lines behind "Usage: ", NULL-terminated */
	const char *summary;	     /* one sentence */
	const struct hf_opt *options;
	const char *footer; /* further lines of --help, or NULL */

	/* set by hf_cli_start() and hf_cli_next() */
	int argc;
	char **argv;
	int operand_count;
	char **operands;
	bool quiet, verbose;
	const char *seen; /* the option just returned, as "--name", for messages */
	bool again;	  /* of hf_cli_resume() */
};

/* Occupies closed standard descriptors (so that no lock or file ever lands on 0, 1 or 2; reading or
 * writing them still fails with EBADF, and a command that is run finds them closed). */
void hf_cli_start(struct hf_cli *cli, int argc, char **argv);

/* The next option's id, with its argument in *arg; HF_CLI_END when the operands begin. */
int hf_cli_next(struct hf_cli *cli, char **arg);

/* At the end: the first operand is a verb, and options may follow it. Makes hf_cli_next() go on
 * behind it. */
void hf_cli_resume(struct hf_cli *cli);

/* Of a tool all of whose operands are `what` ("a PATH"): one that looks like an option is a mistake
 * (a --dry-run that is taken for a file's name lets the rest be done), unless "--" ended them. */
void hf_cli_options_first(struct hf_cli *cli, const char *what);

/* Is this word "--NAME" or "--NAME=…", of one of the tool's options? */
bool hf_cli_is_long_option(const struct hf_cli *cli, const char *word);

/* Prints "tool: message" and exits 64. */
_Noreturn void hf_cli_usage(struct hf_cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Arguments of options; usage errors exit. */
int64_t hf_cli_duration(struct hf_cli *cli, const char *arg);
long hf_cli_number(struct hf_cli *cli, const char *arg, long least, long most);

/* Take an option of HF_ROWS_WAIT into *timeout, which is -1 before. false: it is none. */
bool hf_cli_wait_option(struct hf_cli *cli, int id, const char *arg, int64_t *timeout);

/* How long --timeout, --nonblock, HOLDFAST_TIMEOUT or the tool's default, in this order, lets wait.
 * timeout is what --timeout said, or -1; call it when the options are read. */
int64_t hf_cli_limit(struct hf_cli *cli, int64_t timeout, int64_t default_wait);

/* The deadline that lies so long after now. */
int64_t hf_cli_deadline(struct hf_cli *cli, int64_t timeout, int64_t default_wait);

/* That deadline, and the word about whom one waits for, where such words are wanted: finding out
 * what will not be shown would cost every waiter a look at all locks. */
struct hf_wait hf_cli_wait(struct hf_cli *cli, int64_t timeout, int64_t default_wait);

/* The command in words (NULL-terminated), an argv for hf_run(): an initial "--" is dropped;
 * "-c STRING" (exactly one argument) becomes $SHELL -c STRING. NULL where there are no words.
 * The result is static or points into words. */
char **hf_cli_command(struct hf_cli *cli, char **words);

/* The same for --command's own value. */
char **hf_cli_shell(const char *string);

/* Print err ("tool: message", advice indented by two), and return its status. -q does not silence
 * an error. */
enum hf_status hf_cli_report(const struct hf_cli *cli, const struct hf_err *err);

/* The same, on another stream than standard error. */
enum hf_status hf_cli_report_to(FILE *out, const struct hf_cli *cli, const struct hf_err *err);

/* Is a word in between wanted? With -v, or on a terminal without -q. */
bool hf_cli_wants_notices(const struct hf_cli *cli);

/* A line "tool: …" on standard error, for notices. */
void hf_cli_notice(const struct hf_cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What was printed so far, written. HF_IO: it cannot be. */
enum hf_status hf_cli_flush(struct hf_err *err);

/* Flush standard output; if it cannot be written, say so and return HF_IO, where status is HF_OK.
 * Else status. */
int hf_cli_finish(const struct hf_cli *cli, int status);

#endif
