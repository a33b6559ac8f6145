/* SPDX-License-Identifier: ISC */
#ifndef HF_ATOMIC_CLI_H
#define HF_ATOMIC_CLI_H

/*
 * The command lines of the atomic tools: rows of their option tables, the operands, and the end.
 *
 * A tool lists the rows that it supports, with the struct that they fill. Prints, and exits on a
 * usage error. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"
#include <holdfast/atomic.h>

/* Rows that fill a struct hf_atomic_options. */
#define HF_ROW_MODE(o)                                                                             \
	{                                                                                          \
		HF_OPT_MODE, "mode", "MODE", "set FILE's mode, as chmod(1): 640, g+w",             \
			.text = &(o).mode                                                          \
	}
#define HF_ROW_PARENTS(o)                                                                          \
	{                                                                                          \
		HF_OPT_PARENTS, "parents", NULL, "create missing directories",                     \
			.flag = &(o).parents                                                       \
	}
#define HF_ROW_BACKUP(o)                                                                           \
	{                                                                                          \
		'b', "backup", "[SUFFIX]", "keep the old content as FILE~, or FILE + SUFFIX",      \
			.take = hf_atomic_cli_backup, .context = &(o)                              \
	}
#define HF_ROW_IF_MATCH(o)                                                                         \
	{                                                                                          \
		HF_OPT_IF_MATCH, "if-match", "SHA256|absent",                                      \
			"exit with 1 unless FILE's content matches", .text = &(o).if_match         \
	}
#define HF_ROW_SKIP_SAME(o)                                                                        \
	{                                                                                          \
		HF_OPT_SKIP_SAME, "skip-same", NULL,                                               \
			"leave FILE alone if the content is the same", .flag = &(o).skip_same      \
	}
#define HF_ROW_VALIDATE(o)                                                                         \
	{                                                                                          \
		HF_OPT_VALIDATE, "validate", "COMMAND",                                            \
			"let COMMAND check the new content, named \"$1\"", .text = &(o).validate   \
	}
#define HF_ROW_SYNC(o)                                                                             \
	{                                                                                          \
		HF_OPT_SYNC, "sync", "full|data|none",                                             \
			"sync file and directory (default), file, or none",                        \
			.take = hf_atomic_cli_sync, .context = &(o)                                \
	}
#define HF_ROW_NO_FOLLOW(its_help, o)                                                              \
	{                                                                                          \
		HF_OPT_NO_FOLLOW, "no-follow", NULL, its_help, .flag = &(o).no_follow              \
	}
#define HF_ROW_BREAK_LINKS(o)                                                                      \
	{                                                                                          \
		HF_OPT_BREAK_LINKS, "break-links", NULL,                                           \
			"replace FILE even if it has several hard links", .flag = &(o).break_links \
	}

/* The rows of a tool that replaces FILE, for a struct hf_atomic_cli. */
#define HF_ROWS_REPLACE(w)                                                                         \
	HF_ROW_COMMAND((w).command),                                                               \
		HF_ROWS_WAIT("limit waits for locks (default 10s), not COMMAND"), HF_ROW_CONFLICT, \
		HF_ROW_MODE((w).file), HF_ROW_PARENTS((w).file), HF_ROW_BACKUP((w).file),          \
		HF_ROW_IF_MATCH((w).file), HF_ROW_SKIP_SAME((w).file), HF_ROW_VALIDATE((w).file),  \
		HF_ROW_ALLOW_EMPTY("accept an empty result", (w).file.allow_empty),                \
		{HF_OPT_PRINT, "print", NULL, "print the new content after the replacement",       \
		 .flag = &(w).print},                                                              \
		HF_ROW_SYNC((w).file), HF_ROW_BREAK_LINKS((w).file)

/* The command line of such a tool. */
struct hf_atomic_cli {
	struct hf_atomic_options file;
	const char *path;
	char **command; /* or NULL */
	bool print;
};

/* Call hf_cli_parse(), and let a limit of the file size (ulimit -f) be an error, EFBIG, instead of
 * a death by SIGXFSZ. Commands have the signal's default action. */
void hf_atomic_cli_parse(struct hf_cli *cli, int argc, char **argv);

/* For the rows: take the argument into the struct hf_atomic_options that is the context. */
void hf_atomic_cli_backup(struct hf_cli *cli, const struct hf_opt *option, char *arg);
void hf_atomic_cli_sync(struct hf_cli *cli, const struct hf_opt *option, char *arg);

/* Take the operands: FILE, and COMMAND… unless it is set by --command. */
void hf_atomic_cli_operands(struct hf_cli *cli, struct hf_atomic_cli *w, bool needs_command);

/* Write the output of the command, which has `in` as standard input (-1: ours), to the new file. If
 * the command fails, abort, report it, and exit as it did. */
enum hf_status hf_atomic_cli_capture(const struct hf_cli *cli, const struct hf_atomic_cli *w,
				     int in, struct hf_atomic *a, struct hf_err *err);

/* For --print: check, before anything is done, that standard output can be written. */
enum hf_status hf_atomic_cli_check_print(struct hf_err *err);

/* Print the file fd from its start; it is the content of path now. A failure is HF_UNCERTAIN, since
 * the change cannot be undone. */
enum hf_status hf_atomic_cli_print(int fd, const char *path, struct hf_err *err);

/* After a commit with this status: with -v report the result, for --print print the content. Return
 * the status of both. */
enum hf_status hf_atomic_cli_result(const struct hf_cli *cli, const struct hf_atomic_cli *w,
				    const struct hf_atomic *a, enum hf_status status,
				    struct hf_err *err);

/* Report an error, and return the exit status. If the validator of transaction a (or NULL) was
 * ended by a signal for the whole group, exit as it did. */
int hf_atomic_cli_end(const struct hf_cli *cli, enum hf_status status, struct hf_err *err,
		      const struct hf_atomic *a);

#endif
