/* SPDX-License-Identifier: ISC */
#ifndef HF_ATOMIC_CLI_H
#define HF_ATOMIC_CLI_H

/*
 * The command lines of the atomic tools: rows of their option tables, a reader for them, and the
 * end.
 *
 * A tool lists the rows that it supports, passes every option that is not its own to
 * hf_atomic_cli_option(), and calls hf_atomic_cli_wait() after the last one. Prints, and exits on a
 * usage error. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include <holdfast/atomic.h>
#include "cli/cli.h"

#define HF_ROW_MODE {HF_OPT_MODE, "mode", "MODE", "FILE's mode, as for chmod(1): 640, g+w"}
#define HF_ROW_PARENTS {HF_OPT_PARENTS, "parents", NULL, "make missing directories"}
#define HF_ROW_BACKUP {'b', "backup", "[SUFFIX]", "keep the old content as FILE~, or FILE + SUFFIX"}
#define HF_ROW_IF_MATCH                                                                            \
	{HF_OPT_IF_MATCH, "if-match", "SHA256|absent",                                             \
	 "only if FILE's content has this SHA-256, or FILE is absent; else exit with 1"}
#define HF_ROW_SKIP_SAME {HF_OPT_SKIP_SAME, "skip-same", NULL, "leave FILE alone if it is the same"}
#define HF_ROW_VALIDATE                                                                            \
	{HF_OPT_VALIDATE, "validate", "COMMAND",                                                   \
	 "shell command that must accept the new content, named by \"$1\""}
#define HF_ROW_ALLOW_EMPTY {HF_OPT_ALLOW_EMPTY, "allow-empty", NULL, "an empty result is meant"}
#define HF_ROW_PRINT {HF_OPT_PRINT, "print", NULL, "print the new content, once it is in place"}
#define HF_ROW_SYNC                                                                                \
	{HF_OPT_SYNC, "sync", "full|data|none",                                                    \
	 "what to sync: file and directory (the default), the file only, or nothing"}
#define HF_ROW_NO_FOLLOW                                                                           \
	{HF_OPT_NO_FOLLOW, "no-follow", NULL, "replace a symbolic link, not what it names"}
#define HF_ROW_BREAK_LINKS                                                                         \
	{HF_OPT_BREAK_LINKS, "break-links", NULL, "replace FILE even if it has more hard links"}

/* Call hf_cli_start(), and let a limit of the file size (ulimit -f) be an error, EFBIG, instead of
 * a death by SIGXFSZ. Commands have the signal's default action. */
void hf_atomic_cli_start(struct hf_cli *cli, int argc, char **argv);

/* Take an option of the rows above, or of HF_ROWS_WAIT, into o or *timeout. Return false if it is
 * none of them. */
bool hf_atomic_cli_option(struct hf_cli *cli, int id, char *arg, struct hf_atomic_options *o,
			  int64_t *timeout);

/* Set the deadline for locks, 10 s from now by default, and the notice of a wait. timeout: -1 if it
 * was not given. */
void hf_atomic_cli_wait(struct hf_cli *cli, int64_t timeout, struct hf_atomic_options *o);

/* Take the operands: FILE, and COMMAND… unless *command is set by --command. Exits on a usage
 * error. */
void hf_atomic_cli_operands(struct hf_cli *cli, const char **path, char ***command);

/* For --print: check, before anything is done, that standard output can be written. */
enum hf_status hf_atomic_cli_check_print(struct hf_err *err);

/* Print the file fd from its start; it is the content of path now. A failure is HF_UNCERTAIN, since
 * the change cannot be undone. */
enum hf_status hf_atomic_cli_print(int fd, const char *path, struct hf_err *err);

/* After a commit with this status: with -v report the result, for --print print the content. Return
 * the status of both. */
enum hf_status hf_atomic_cli_result(const struct hf_cli *cli, const struct hf_atomic *a,
				    const char *path, bool print, enum hf_status status,
				    struct hf_err *err);

/* Report how a command failed; FILE is unchanged. Exit as the command did. */
_Noreturn void hf_atomic_cli_command_failed(const struct hf_cli *cli, const char *path,
					    int wait_status);

/* Report an error, and return the exit status. conflict is --conflict-exit-code, or -1. If the
 * validator of transaction a (or NULL) was ended by a signal for the whole group, exit as it
 * did. */
int hf_atomic_cli_finish(const struct hf_cli *cli, enum hf_status status, struct hf_err *err,
			 int conflict, const struct hf_atomic *a);

#endif
