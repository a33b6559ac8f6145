/* SPDX-License-Identifier: ISC */
/* sqlite-run: run SQL as one transaction, in its turn. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/spawn.h"
#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include "cli/store_cli.h"
#include "sqlite/script.h"

enum {
	OPT_READ = HF_OPT_OWN,
	OPT_WAL,
	OPT_NO_FOREIGN_KEYS,
	OPT_CSV,
	OPT_JSON,
	OPT_TABLE,
	OPT_HEADER,
	OPT_SEPARATOR,
	OPT_NULL,
	OPT_HOLD
};

static struct hf_params params;
static struct hf_deferred outbox;
static struct hf_rows rows = {.out = &outbox};
static struct hf_db_options db_options;
static struct hf_atomic_options common; /* for --sync */
static bool reads, wal, no_foreign_keys, hold;
static int format; /* enum hf_row_format_mode */

static const struct hf_opt options[] = {
	HF_ROW_PARAM(params),
	{OPT_READ, "read", NULL, "only read, from a snapshot; wait for no writer", .flag = &reads},
	{OPT_CSV, "csv", NULL, "print rows as CSV", .choice = &format, .min = HF_ROWS_CSV},
	{OPT_JSON, "json", NULL, "print a JSON array of objects for each query", .choice = &format,
	 .min = HF_ROWS_JSON},
	{OPT_TABLE, "table", NULL, "print rows as a table with a heading", .choice = &format,
	 .min = HF_ROWS_TABLE},
	{OPT_HEADER, "header", NULL, "print the column names first", .flag = &rows.header},
	{OPT_SEPARATOR, "separator", "TEXT", "print TEXT between values, not | or (CSV) comma",
	 .text = &rows.separator},
	{OPT_NULL, "null", "TEXT", "print TEXT for NULL, not nothing", .text = &rows.null},
	HF_ROWS_WAIT("limit waits for locks (default 10s)"),
	HF_ROW_BACKOFF("1ms,20ms", db_options.backoff),
	{HF_OPT_SYNC, "sync", "full|data|none", "set synchronous to FULL (default), NORMAL or OFF",
	 .take = hf_atomic_cli_sync, .context = &common},
	{OPT_WAL, "wal", NULL, "change an existing database to WAL mode", .flag = &wal},
	{OPT_NO_FOREIGN_KEYS, "no-foreign-keys", NULL, "do not check foreign keys",
	 .flag = &no_foreign_keys},
	{OPT_HOLD, "hold", NULL, NULL, .flag = &hold}, /* for lock/sqlite_freeze.h */
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] DB", "[options] DB SQL", NULL};

static struct hf_cli cli = {
	.tool = "sqlite-run",
	.synopsis = synopsis,
	.summary = "Run SQL (or standard input) on a SQLite database, as one transaction that\n"
		   "waits for its turn: all of it takes effect, or nothing.",
	.options = options,
};

/* For tools that freeze a database and are not linked with SQLite: print one line with the result,
 * and hold the lock until every process that has the other end of standard input exits. */
static int run_hold(const char *path)
{
	struct hf_db *db;
	struct hf_err err;
	char byte;
	enum hf_status status = hf_db_open(&db, path, &db_options, &err);

	if (status == HF_OK)
		status = hf_db_begin_nowait(db, &err);
	/* a keeper's helper outlives its caller, and must not keep a directory busy */
	if (status == HF_OK && chdir("/") < 0)
		status = hf_fail_errno(&err, "cannot leave the working directory");
	if (status == HF_OK)
		puts("held");
	else
		printf("%d %s\n", (int)status, err.message);
	if (fflush(stdout) == 0 && status == HF_OK)
		while (read(STDIN_FILENO, &byte, 1) > 0)
			;
	hf_db_close(db);
	return (int)status;
}

/* Read the SQL on standard input to its end: it may have to be run again. */
static enum hf_status read_script(struct hf_script *script, struct hf_err *err)
{
	void *text;
	enum hf_status status =
		hf_read_all(STDIN_FILENO, SSIZE_MAX, &text, &script->size, NULL, err);

	script->text = text;
	return status;
}

/* Print the output of SQL that is committed. */
static enum hf_status send(struct hf_err *err)
{
	enum hf_status status = hf_deferred_flush(&outbox, STDOUT_FILENO, NULL, err);

	if (status == HF_OK || reads)
		return status;
	hf_advise(err, "the SQL was run and is committed; only its output is lost");
	return HF_UNCERTAIN;
}

static void set_options(void)
{
	if (reads && (hold || wal))
		hf_cli_usage(&cli, "--read excludes --wal and --hold");
	db_options.flags = reads ? HF_DB_READ : hold ? 0 : HF_DB_CREATE;
	db_options.flags |= wal ? HF_DB_WAL : 0;
	db_options.flags |= no_foreign_keys ? HF_DB_NO_FOREIGN_KEYS : 0;
	db_options.sync = common.sync;
	rows.mode = (enum hf_row_format_mode)format;
}

int main(int argc, char **argv)
{
	struct hf_script script = {.params = &params, .rows = &rows};
	struct hf_db *db = NULL;
	enum hf_status status = HF_OK;
	struct hf_err err;
	const char *path;

	hf_atomic_cli_parse(&cli, argc, argv);
	path = hf_cli_operand(&cli, "DB");
	set_options();
	if (!hold && cli.operand_count) {
		script.text = *cli.operands++; /* "" is allowed */
		cli.operand_count--;
	}
	hf_cli_last_operand(&cli);
	if (hold)
		return run_hold(path);
	script.reads = reads;
	if (script.text)
		script.size = strlen(script.text);
	else
		status = read_script(&script, &err);
	db_options.wait = hf_cli_wait(&cli);
	if (status == HF_OK)
		status = hf_db_open(&db, path, &db_options, &err);
	if (status == HF_OK)
		status = hf_script_run(&script, db, &err);
	hf_db_close(db);
	if (script.signal)
		hf_exit_as(script.signal);
	if (status == HF_OK)
		status = send(&err);
	return hf_atomic_cli_end(&cli, status, &err, NULL);
}
