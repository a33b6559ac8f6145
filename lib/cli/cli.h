/* SPDX-License-Identifier: ISC */
#ifndef HF_CLI_H
#define HF_CLI_H

/*
 * The command line of a tool: one option table drives parsing, --help and completion.
 *
 * Declare a struct hf_cli with the table; call hf_cli_start() first, then hf_cli_next() until
 * HF_CLI_END; the operands are cli->operands; call one function of the library; return
 * hf_cli_finish(). The first operand ends the options. -h -V -q -v are handled here.
 *
 * Prints, and exits: 64 for a usage error, 0 after --help and --version. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <holdfast/err.h>
#include <holdfast/lock_wait.h>

#define HF_VERSION "0.1.0"

struct hf_opt {
	int id;		  /* the letter if there is one, otherwise from HF_OPT_LONG up */
	const char *name; /* the long name, or NULL */
	const char *arg;  /* the name of its argument; "[NAME]" is optional; NULL: none */
	const char *help; /* NULL: an alias that --help does not list */
};

enum {
	HF_CLI_END = -1,
	HF_OPT_LONG = 0x100, /* options without a letter that several tools share … */
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
	HF_OPT_OWN = 0x200, /* … and a tool's own options */
};

/* Rows that are the same in every tool. */
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
	const char *const *synopsis; /* lines after "Usage: ", NULL-terminated */
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
	bool again;	  /* set by hf_cli_resume() */
};

/* Occupy closed standard descriptors, so that no lock or file is ever opened as 0, 1 or 2. Reading
 * or writing them still fails with EBADF, and a command finds them closed. */
void hf_cli_start(struct hf_cli *cli, int argc, char **argv);

/* Return the next option's id, with its argument in *arg; HF_CLI_END when the operands begin. */
int hf_cli_next(struct hf_cli *cli, char **arg);

/* After HF_CLI_END: the first operand is a subcommand, and options may follow it. hf_cli_next()
 * continues after it. */
void hf_cli_resume(struct hf_cli *cli);

/* For a tool all of whose operands are `what` ("a PATH"): refuse an operand that looks like an
 * option, unless "--" ended the options. (A --dry-run taken for a file name would let the rest be
 * done.) */
void hf_cli_options_first(struct hf_cli *cli, const char *what);

/* Return true if this argument is "--NAME" or "--NAME=…" of one of the tool's options. */
bool hf_cli_is_long_option(const struct hf_cli *cli, const char *word);

/* Print "tool: message" and exit with 64. */
_Noreturn void hf_cli_usage(struct hf_cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Parse the argument of an option; exit on a usage error. */
int64_t hf_cli_duration(struct hf_cli *cli, const char *arg);
long hf_cli_number(struct hf_cli *cli, const char *arg, long least, long most);

/* Take an option of HF_ROWS_WAIT into *timeout, which is -1 before. Return false if it is none of
 * them. */
bool hf_cli_wait_option(struct hf_cli *cli, int id, const char *arg, int64_t *timeout);

/* Return the time limit of waits: from --timeout, --nonblock, HOLDFAST_TIMEOUT or the tool's
 * default, in this order. timeout is --timeout's value, or -1. Call it after the options are
 * read. */
int64_t hf_cli_limit(struct hf_cli *cli, int64_t timeout, int64_t default_wait);

/* Return that limit as a deadline from now. */
int64_t hf_cli_deadline(struct hf_cli *cli, int64_t timeout, int64_t default_wait);

/* Return that deadline with the notice of a wait, if notices are wanted: without one, no waiter has
 * to search for the holder. */
struct hf_wait hf_cli_wait(struct hf_cli *cli, int64_t timeout, int64_t default_wait);

/* Turn arguments (NULL-terminated) into the argv of a command for hf_spawn(): skip an initial "--";
 * turn "-c STRING" (exactly one argument) into $SHELL -c STRING. NULL if there are no arguments.
 * The result is static or points into words. */
char **hf_cli_command(struct hf_cli *cli, char **words);

/* The same for the value of --command. */
char **hf_cli_shell(const char *string);

/* Print err ("tool: message", advice indented by two) and return its status. -q does not suppress
 * errors. */
enum hf_status hf_cli_report(const struct hf_cli *cli, const struct hf_err *err);

/* The same, to another stream than standard error. */
enum hf_status hf_cli_report_to(FILE *out, const struct hf_cli *cli, const struct hf_err *err);

/* Return true if notices are wanted: with -v, or on a terminal without -q. */
bool hf_cli_wants_notices(const struct hf_cli *cli);

/* Print the notice "tool: …" to standard error. */
void hf_cli_notice(const struct hf_cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Flush standard output. HF_IO: it cannot be written. */
enum hf_status hf_cli_flush(struct hf_err *err);

/* Flush standard output. If that fails and status is HF_OK, report it and return HF_IO; otherwise
 * return status. */
int hf_cli_finish(const struct hf_cli *cli, int status);

#endif
