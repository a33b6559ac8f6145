/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_CLI_H
#define HF_RECORD_CLI_H

/*
 * A record on the command line: the options of atomic-record, the sources that they name, and the
 * output.
 *
 * In PATH=SRC the last "=" divides, so PATH may contain one; a SRC with "=" can be given as
 * /dev/fd/N. "-" is standard input, once. Sources are read once, to their end, before anything is
 * locked, and are kept in memory, with the limit of SQLite's values. A file that would become empty
 * is refused without --allow-empty.
 *
 * The SQL runs in the given order, files and arguments, as one transaction with one set of values.
 *
 * Prints, and exits on a usage error. Single-threaded.
 */

#include "cli/cli.h"
#include "cli/store_cli.h"
#include "record/record.h"

enum {
	HF_OPT_RECORD = 0x500,
	HF_OPT_SQLITE_DB = HF_OPT_RECORD,
	HF_OPT_GIT_DIR,
	HF_OPT_WRITE,
	HF_OPT_APPEND,
	HF_OPT_REMOVE,
	HF_OPT_SNAPSHOT,
	HF_OPT_SQL,
	HF_OPT_SQL_FILE,
	HF_OPT_NO_FOREIGN_KEYS,
};

#define HF_ROW_FILE(id, name, arg, help, op, to)                                                   \
	{                                                                                          \
		id, name, arg, help, .take = hf_record_cli_file, .context = &(to), .min = op       \
	}
#define HF_ROWS_RECORD(to)                                                                         \
	{HF_OPT_SQLITE_DB, "sqlite", "DB", "use this database, which is also the log",             \
	 .text = &(to).request.database},                                                          \
		{HF_OPT_GIT_DIR, "git", "DIR", "commit the files to this repository",              \
		 .text = &(to).request.repository},                                                \
		{'m', "message", "MESSAGE", "give the commit this message",                        \
		 .text = &(to).request.message},                                                   \
		HF_ROW_FILE(HF_OPT_WRITE, "write", "PATH=SRC",                                     \
			    "replace PATH by the content of SRC", HF_RECORD_WRITE, to),            \
		HF_ROW_FILE(HF_OPT_APPEND, "append", "PATH=SRC",                                   \
			    "append the content of SRC to PATH", HF_RECORD_APPEND, to),            \
		HF_ROW_FILE(HF_OPT_REMOVE, "remove", "PATH", "remove PATH", HF_RECORD_REMOVE, to), \
		HF_ROW_FILE(HF_OPT_SNAPSHOT, "snapshot", "PATH",                                   \
			    "copy the database to PATH, as SQL if it is *.sql",                    \
			    HF_RECORD_SNAPSHOT, to),                                               \
		{HF_OPT_IF_MATCH, "if-match", "SHA256|absent",                                     \
		 "exit with 1 unless the next file's content is so", .text = &(to).if_match},      \
		{HF_OPT_SQL,	  "sql", "SQL", "run these statements", .take = hf_record_cli_sql, \
		 .context = &(to)},                                                                \
		{HF_OPT_SQL_FILE,	    "sql-file",	     "FILE", "run the statements in FILE", \
		 .take = hf_record_cli_sql, .context = &(to)},                                     \
		HF_ROW_PARAM((to).params),                                                         \
		{HF_OPT_NO_FOREIGN_KEYS, "no-foreign-keys", NULL, "do not check foreign keys",     \
		 .flag = &(to).request.no_foreign_keys},                                           \
		{HF_OPT_PARENTS, "parents", NULL, "create missing directories",                    \
		 .flag = &(to).request.parents},                                                   \
		HF_ROW_ALLOW_EMPTY("accept an empty SRC", (to).allow_empty)

struct hf_record_source;

struct hf_record_cli {
	struct hf_record_request request;
	struct hf_record_spec *specs;
	struct hf_record_source *sources; /* of specs */
	const char *if_match;		  /* for the next one */
	struct hf_record_script *scripts;
	size_t script_count;
	struct hf_params params;
	bool allow_empty, stdin_used, json;
	struct hf_cli *cli;
};

/* Allocate space for as many files and scripts as there are arguments. */
void hf_record_cli_init(struct hf_record_cli *record, struct hf_cli *cli, int argc);
void hf_record_cli_free(struct hf_record_cli *record);

/* For the rows: the context is a struct hf_record_cli. */
void hf_record_cli_file(struct hf_cli *cli, const struct hf_opt *option, char *arg);
void hf_record_cli_sql(struct hf_cli *cli, const struct hf_opt *option, char *arg);

/* Refuse options that exclude each other. */
void hf_record_cli_check(const struct hf_record_cli *record, bool recover);

/* Set the deadline, from now, and the report of notices. */
void hf_record_cli_wait(struct hf_record_cli *record);

/* Read all sources. HF_NOINPUT: one does not exist. HF_DATA: empty, or too large. */
enum hf_status hf_record_cli_read(struct hf_record_cli *record, struct hf_err *err);

/* Print the result to standard output. HF_UNCERTAIN: it cannot be written; the record is not
 * undone. */
enum hf_status hf_record_cli_result(const struct hf_record_cli *record,
				    const struct hf_record_result *result, struct hf_err *err);

/* Print an unfinished record as a line, for hf_record_list(). The context is a struct
 * hf_record_cli. */
void hf_record_cli_show(void *context, const struct hf_intent *intent);

#endif
