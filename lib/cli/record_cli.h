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
#include "sqlite/params.h"
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

#define HF_ROWS_RECORD                                                                             \
	{HF_OPT_SQLITE_DB, "sqlite", "DB", "the database, which is also the log"},                 \
		{HF_OPT_GIT_DIR, "git", "DIR", "the repository that the files are committed to"},  \
		{'m', "message", "MESSAGE", "the commit's message"},                               \
		{HF_OPT_WRITE, "write", "PATH=SRC", "PATH becomes what SRC has"},                  \
		{HF_OPT_APPEND, "append", "PATH=SRC", "what SRC has goes behind PATH's end"},      \
		{HF_OPT_REMOVE, "remove", "PATH", "PATH is removed"},                              \
		{HF_OPT_SNAPSHOT, "snapshot", "PATH",                                              \
		 "PATH becomes an image of the database; a text dump if it ends in .sql"},         \
		{HF_OPT_IF_MATCH, "if-match", "SHA256|absent",                                     \
		 "of the file named next: only if it is so; else nothing, and exit with 1"},       \
		{HF_OPT_SQL, "sql", "SQL", "statements to run"},                                   \
		{HF_OPT_SQL_FILE, "sql-file", "FILE", "the same, from FILE"},                      \
		{'p', "param", "NAME[:TYPE]=VALUE",                                                \
		 "VALUE for the parameter :NAME; TYPE is int, real, blob, null, file, blobfile"},  \
		{HF_OPT_NO_FOREIGN_KEYS, "no-foreign-keys", NULL, "do not enforce them"},          \
		{HF_OPT_PARENTS, "parents", NULL, "make missing directories"},                     \
	{                                                                                          \
		HF_OPT_ALLOW_EMPTY, "allow-empty", NULL, "an empty SRC is meant"                   \
	}

struct hf_record_source;

struct hf_record_cli {
	struct hf_record_request request;
	struct hf_record_spec *wants;
	struct hf_record_source *sources; /* of wants */
	const char *if_match;		  /* for the next one */
	struct hf_record_script *scripts;
	size_t script_count;
	struct hf_params params;
	bool allow_empty, stdin_used;
	struct hf_cli *cli;
};

/* Allocate space for as many files and scripts as there are arguments. */
void hf_record_cli_init(struct hf_record_cli *record, struct hf_cli *cli, int argc);
void hf_record_cli_free(struct hf_record_cli *record);

/* Take an option of HF_ROWS_RECORD. */
void hf_record_cli_option(struct hf_cli *cli, struct hf_record_cli *record, int id, char *arg);

/* Refuse options that exclude each other. */
void hf_record_cli_check(struct hf_cli *cli, const struct hf_record_cli *record, bool recover);

/* Set the deadline, from now. */
void hf_record_cli_wait(struct hf_cli *cli, int64_t timeout, struct hf_record_cli *record);

/* Read all sources. HF_NOINPUT: one does not exist. HF_DATA: empty, or too large. */
enum hf_status hf_record_cli_read(struct hf_record_cli *record, struct hf_err *err);

/* Print the result to standard output. HF_UNCERTAIN: it cannot be written; the record is not
 * undone. */
enum hf_status hf_record_cli_result(const struct hf_record_result *result, bool json, bool quiet,
				    struct hf_err *err);

/* Print an unfinished record as a line, for hf_record_list(). */
struct hf_record_shown {
	bool json, quiet;
};
void hf_record_cli_show(void *shown, const struct hf_intent *intent);

#endif
