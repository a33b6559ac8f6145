/* SPDX-License-Identifier: ISC */
#ifndef HF_CLI_H
#define HF_CLI_H

/*
 * The command line of a tool: one option table drives parsing, --help and completion. A row says
 * where the value of its option goes.
 *
 *	static const struct hf_opt options[] = {
 *		{OPT_INIT, "init", "TEXT", "read TEXT if FILE is absent", .text = &init},
 *		{OPT_WATCH, "watch", NULL, "repeat", .flag = &watch},
 *		HF_ROWS_WAIT("wait at most DURATION for locks (default 10s)"),
 *		HF_ROWS_END,
 *	};
 *
 * Declare a struct hf_cli with the table; call hf_cli_parse() first; the operands are
 * cli->operands; call one function of the library; return hf_cli_end() or hf_cli_finish(). The
 * first operand ends the options. -h -V -q -v, and -w -n -E of the shared rows, are handled here.
 *
 * Prints, and exits: 64 for a usage error, 0 after --help and --version. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <holdfast/err.h>
#include <holdfast/lock_wait.h>

#define HF_VERSION "0.1.0"

struct hf_cli;

struct hf_opt {
	int id;		  /* the letter if there is one, otherwise from HF_OPT_LONG up */
	const char *name; /* the long name, or NULL */
	const char *arg;  /* the name of its argument; "[NAME]" is optional; NULL: none */
	const char *help; /* at most 48 columns; NULL: --help does not list it */

	/* Where its value goes. All that are set receive it; an optional argument that is absent
	 * is stored nowhere. */
	bool *flag;	   /* true */
	const char **text; /* the argument */
	int64_t *duration; /* at least min */
	int64_t *number;   /* min to max */
	char ***command;   /* the argument, run by the shell */
	int *choice;	   /* min: options of one choice exclude each other */
	void (*take)(struct hf_cli *cli, const struct hf_opt *option, char *arg);
	void *context; /* for take() */

	int64_t min, max;
};

enum {
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
	HF_OPT_TTL,
	HF_OPT_JSON,
	HF_OPT_OWN = 0x200, /* … and a tool's own options */
};

/* Rows that are the same in several tools. */
#define HF_ROW_ALIAS(of, alias)                                                                    \
	{                                                                                          \
		.id = (of), .name = (alias)                                                        \
	}
#define HF_ROW_TIMEOUT(its_help)                                                                   \
	{                                                                                          \
		'w', "timeout", "DURATION", its_help, .min = 0                                     \
	}
#define HF_ROW_NONBLOCK(of)                                                                        \
	{                                                                                          \
		'n', "nonblock", NULL, "do not wait for " of, .min = 0                             \
	}
#define HF_ROWS_WAIT(its_help)                                                                     \
	HF_ROW_TIMEOUT(its_help), HF_ROW_ALIAS('w', "wait"), HF_ROW_NONBLOCK("locks"),             \
		HF_ROW_ALIAS('n', "nb"), HF_ROW_ALIAS('n', "nonblocking")
#define HF_ROW_CONFLICT                                                                            \
	{                                                                                          \
		'E', "conflict-exit-code", "N", "exit with N instead of 75 if a lock is busy",     \
			.min = 0                                                                   \
	}
#define HF_ROW_COMMAND(to)                                                                         \
	{                                                                                          \
		'c', "command", "STRING", "run STRING by the shell", .command = &(to)              \
	}
#define HF_ROW_BACKOFF(by_default, to)                                                             \
	{                                                                                          \
		HF_OPT_BACKOFF, "backoff", "BASE,CAP",                                             \
			"grow pauses from BASE to CAP (default " by_default ")", .text = &(to)     \
	}
#define HF_ROW_JSON(to)                                                                            \
	{                                                                                          \
		HF_OPT_JSON, "json", NULL, "print JSON, one object a line", .flag = &(to)          \
	}
#define HF_ROW_ALLOW_EMPTY(its_help, to)                                                           \
	{                                                                                          \
		HF_OPT_ALLOW_EMPTY, "allow-empty", NULL, its_help, .flag = &(to)                   \
	}
#define HF_ROWS_END                                                                                \
	{                                                                                          \
		.id = 0                                                                            \
	}

struct hf_cli {
	const char *tool;	     /* the name in messages */
	const char *const *synopsis; /* lines after "Usage: ", NULL-terminated */
	const char *summary;	     /* one sentence */
	const struct hf_opt *options;
	const char *footer;   /* further lines of --help, or NULL */
	int64_t default_wait; /* without --timeout and HOLDFAST_TIMEOUT; 0: 10 s */
	bool quiet_answers;   /* -q silences HF_NO and HF_BUSY: the exit status says it */

	/* set by hf_cli_parse() */
	int argc;
	char **argv;
	int operand_count;
	char **operands;
	bool quiet, verbose;
	int64_t timeout;    /* of --timeout or --nonblock; -1: see hf_cli_limit() */
	int64_t conflict;   /* of --conflict-exit-code, or HF_BUSY */
	const char *option; /* the present option, as "--name", for messages */
};

/* Read the options. Closed standard descriptors are occupied first, so that no lock or file is ever
 * opened as 0, 1 or 2. Reading or writing them still fails with EBADF, and a command finds them
 * closed. */
void hf_cli_parse(struct hf_cli *cli, int argc, char **argv);

/* Take the first operand as a subcommand, and read the options that follow it. Return its index in
 * verbs, which is NULL-terminated. */
int hf_cli_verb(struct hf_cli *cli, const char *const *verbs);

/* Return the first operand and move past it. It is `what` ("DB") in messages. */
char *hf_cli_operand(struct hf_cli *cli, const char *what);

/* Refuse further operands. */
void hf_cli_last_operand(struct hf_cli *cli);

/* For a tool all of whose operands are `what` ("a PATH"): refuse an operand that looks like an
 * option, unless "--" ended the options. (A --dry-run taken for a file name would let the rest be
 * done.) */
void hf_cli_options_first(struct hf_cli *cli, const char *what);

/* Return true if this argument is "--NAME" or "--NAME=…" of one of the tool's options. */
bool hf_cli_is_long_option(const struct hf_cli *cli, const char *word);

/* Print "tool: message" and exit with 64. */
_Noreturn void hf_cli_usage(struct hf_cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Parse a number; cli->option names it in messages. */
long hf_cli_number(struct hf_cli *cli, const char *arg, long min, long max);

/* Return the time limit of waits: from --timeout, --nonblock, HOLDFAST_TIMEOUT or the tool's
 * default, in this order. */
int64_t hf_cli_limit(struct hf_cli *cli);

/* Return the deadline of a wait that begins now, with its notice if notices are wanted: without
 * one, no waiter has to search for the holder. */
struct hf_wait hf_cli_wait(struct hf_cli *cli);

/* Set *command to the command that the operands in words name, unless --command has set it: skip an
 * initial "--"; turn "-c STRING" (exactly one argument) into $SHELL -c STRING. *command stays NULL
 * if there are no words; `required`: that is a usage error. The command is static or points into
 * words. */
void hf_cli_command(struct hf_cli *cli, char **words, bool required, char ***command);

/* Return the command that runs this string by the shell: $SHELL, or /bin/sh. It is static. */
char **hf_cli_shell(const char *string);

/* Print err ("tool: message", advice indented by two) and return its status. -q does not suppress
 * errors. */
enum hf_status hf_cli_report(const struct hf_cli *cli, const struct hf_err *err);

/* The same, to another stream than standard error. */
enum hf_status hf_cli_report_to(FILE *out, const struct hf_cli *cli, const struct hf_err *err);

/* Print the notice "tool: …" to standard error. */
void hf_cli_notice(const struct hf_cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Flush standard output. HF_IO: it cannot be written. */
enum hf_status hf_cli_flush(struct hf_err *err);

/* Flush standard output. If that fails and status is HF_OK, report it and return HF_IO; otherwise
 * return status. */
int hf_cli_finish(const struct hf_cli *cli, int status);

/* The same, and report err first unless status is HF_OK, err has no message, or -q silences it.
 * HF_BUSY becomes the status of --conflict-exit-code. */
int hf_cli_end(const struct hf_cli *cli, enum hf_status status, const struct hf_err *err);

#endif
