/* SPDX-License-Identifier: ISC */
#ifndef HF_ATOMIC_CLI_H
#define HF_ATOMIC_CLI_H

/*
 * What the atomic tools have in common on the command line: the rows of their option tables, one
 * reader for them, and the end.
 *
 * A tool lists the rows that make sense for it, hands to hf_atomic_cli_option() every option that
 * is not its own, and calls hf_atomic_cli_wait() when all are read. The tools' own, like cli/cli.h:
 * it prints, and exits on a usage error. Single-threaded.
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

/* hf_cli_start(), and a limit to the size of files (ulimit -f) becomes an error to report, EFBIG,
 * in place of a death by SIGXFSZ. Commands have the signal's default. */
void hf_atomic_cli_start(struct hf_cli *cli, int argc, char **argv);

/* Take an option of the rows above, or of HF_ROWS_WAIT, into o or *timeout. false: it is none. */
bool hf_atomic_cli_option(struct hf_cli *cli, int id, char *arg, struct hf_atomic_options *o,
			  int64_t *timeout);

/* The deadline for locks, 10 s from now unless said otherwise, and the word to a terminal about
 * whom one waits for. timeout: -1 if it was not given. */
void hf_atomic_cli_wait(struct hf_cli *cli, int64_t timeout, struct hf_atomic_options *o);

/* FILE, and COMMAND… unless *command is --command's. Exits on a usage error. */
void hf_atomic_cli_operands(struct hf_cli *cli, const char **path, char ***command);

/* For --print, before anything is done: can standard output be written? */
enum hf_status hf_atomic_cli_check_print(struct hf_err *err);

/* Print the file fd, from its start, which has become path's content: a failure is HF_UNCERTAIN,
 * since it cannot be taken back. */
enum hf_status hf_atomic_cli_print(int fd, const char *path, struct hf_err *err);

/* Behind a commit of this status: with -v, say what became of FILE; for --print, print it. The
 * status of both. */
enum hf_status hf_atomic_cli_result(const struct hf_cli *cli, const struct hf_atomic *a,
				    const char *path, bool print, enum hf_status status,
				    struct hf_err *err);

/* Say how a command failed; FILE stays as it was. Ends as the command did. */
_Noreturn void hf_atomic_cli_command_failed(const struct hf_cli *cli, const char *path,
					    int wait_status);

/* Report the error, if it is one. conflict is --conflict-exit-code, or -1. Returns the exit
 * status. a, if not NULL, is the transaction: ends as its validator did if a signal ended it that
 * was meant for us all. */
int hf_atomic_cli_finish(const struct hf_cli *cli, enum hf_status status, struct hf_err *err,
			 int conflict, const struct hf_atomic *a);

#endif
