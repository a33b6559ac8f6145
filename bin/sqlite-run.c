/* SPDX-License-Identifier: ISC */
/* sqlite-run: run SQL as one transaction, in its turn. */

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include "base/copy.h"
#include "sqlite/script.h"
#include "base/spawn.h"

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

static const struct hf_opt options[] = {
	{'p', "param", "NAME[:TYPE]=VALUE",
	 "bind VALUE to :NAME; TYPE is int, real, blob, null, file, blobfile"},
	{OPT_READ, "read", NULL, "a snapshot to read from: waits for no writer, writes nothing"},
	{OPT_CSV, "csv", NULL, "print rows as CSV"},
	{OPT_JSON, "json", NULL, "print rows as JSON, an array of objects for each query"},
	{OPT_TABLE, "table", NULL, "print rows as a table with a heading"},
	{OPT_HEADER, "header", NULL, "print the columns' names first"},
	{OPT_SEPARATOR, "separator", "TEXT", "between values, instead of | or (CSV) a comma"},
	{OPT_NULL, "null", "TEXT", "what stands for NULL, instead of nothing"},
	HF_ROWS_WAIT("10s"),
	{HF_OPT_BACKOFF, "backoff", "BASE,CAP",
	 "how long to pause while another program writes (default 1ms,20ms)"},
	{HF_OPT_SYNC, "sync", "full|data|none",
	 "synchronous = FULL (the default: durable), NORMAL, or OFF"},
	{OPT_WAL, "wal", NULL, "turn a database that exists to WAL mode"},
	{OPT_NO_FOREIGN_KEYS, "no-foreign-keys", NULL, "do not check foreign keys"},
	{OPT_HOLD, "hold", NULL,
	 "lock DB at once for writing until standard input ends; run nothing"},
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] DB", "[options] DB SQL", "--hold DB", NULL};

static struct hf_cli cli = {
	.tool = "sqlite-run",
	.synopsis = synopsis,
	.summary = "Run SQL (or standard input) on a SQLite database, as one transaction that\n"
		   "waits for its turn: all of it happens, or nothing.",
	.options = options,
};

static struct hf_params params;
static struct hf_deferred outbox;
static struct hf_rows rows = {.out = &outbox};
static struct hf_db_options db_options = {.flags = HF_DB_CREATE};
static struct hf_atomic_options common; /* the wait, and sync */
static int64_t timeout = -1;
static bool hold;

static void set_mode(enum hf_row_format_mode mode)
{
	if (rows.mode != HF_ROWS_LIST && rows.mode != mode)
		hf_cli_usage(&cli, "--csv, --json and --table exclude each other");
	rows.mode = mode;
}

static void read_option(int id, char *arg)
{
	struct hf_err err;

	switch (id) {
	case 'p':
		if (hf_params_add(&params, arg, &err) != HF_OK)
			exit((int)hf_cli_report(&cli, &err));
		break;
	case OPT_READ:
		db_options.flags |= HF_DB_READ;
		db_options.flags &= ~(unsigned int)HF_DB_CREATE;
		break;
	case OPT_WAL:
		db_options.flags |= HF_DB_WAL;
		break;
	case OPT_NO_FOREIGN_KEYS:
		db_options.flags |= HF_DB_NO_FOREIGN_KEYS;
		break;
	case OPT_CSV:
		set_mode(HF_ROWS_CSV);
		break;
	case OPT_JSON:
		set_mode(HF_ROWS_JSON);
		break;
	case OPT_TABLE:
		set_mode(HF_ROWS_TABLE);
		break;
	case OPT_HEADER:
		rows.header = true;
		break;
	case OPT_SEPARATOR:
		rows.separator = arg;
		break;
	case OPT_NULL:
		rows.null = arg;
		break;
	case HF_OPT_BACKOFF:
		db_options.backoff = arg;
		break;
	case OPT_HOLD:
		hold = true;
		break;
	default:
		hf_atomic_cli_option(&cli, id, arg, &common, &timeout);
	}
}

/* For the tools that freeze a database and are free of SQLite themselves: one line says how it
 * went, and the lock lasts until they, and all who have inherited the other end, are gone. */
static int run_hold(const char *path)
{
	struct hf_db *db;
	struct hf_err err;
	char byte;
	enum hf_status status = hf_db_open(&db, path, &db_options, &err);

	if (status == HF_OK)
		status = hf_db_begin_nowait(db, &err);
	/* a keeper's helper outlives its caller, and is in nobody's way */
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

/* The SQL on standard input, whole: it may have to be run again. */
static enum hf_status read_script(struct hf_script *script, struct hf_err *err)
{
	void *text;
	enum hf_status status =
		hf_read_all(STDIN_FILENO, SSIZE_MAX, &text, &script->size, NULL, err);

	script->text = text;
	return status;
}

/* What has happened cannot be taken back because it cannot be told. */
static enum hf_status send(bool reads, struct hf_err *err)
{
	enum hf_status status = hf_deferred_flush(&outbox, STDOUT_FILENO, NULL, err);

	if (status == HF_OK || reads)
		return status;
	hf_advise(err, "the SQL was run and is committed; only its output is lost");
	return HF_UNCERTAIN;
}

int main(int argc, char **argv)
{
	struct hf_script script = {.params = &params, .rows = &rows};
	struct hf_db *db = NULL;
	enum hf_status status = HF_OK;
	struct hf_err err;
	char *arg;
	int id;

	hf_atomic_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END)
		read_option(id, arg);
	if (cli.operand_count == 0)
		hf_cli_usage(&cli, "no DB");
	if (cli.operand_count > (hold ? 1 : 2))
		hf_cli_usage(&cli, "'%s' is one operand too many", cli.operands[hold ? 1 : 2]);
	if (db_options.flags & HF_DB_READ && (hold || db_options.flags & HF_DB_WAL))
		hf_cli_usage(&cli, "--read excludes --wal and --hold");
	script.reads = db_options.flags & HF_DB_READ;
	db_options.sync = common.sync;
	if (hold) {
		db_options.flags &= ~(unsigned int)HF_DB_CREATE;
		return run_hold(cli.operands[0]);
	}
	if (cli.operand_count == 2) {
		script.text = cli.operands[1];
		script.size = strlen(script.text);
	} else {
		status = read_script(&script, &err);
	}
	hf_atomic_cli_wait(&cli, timeout, &common);
	db_options.wait = common.wait;
	if (status == HF_OK)
		status = hf_db_open(&db, cli.operands[0], &db_options, &err);
	if (status == HF_OK)
		status = hf_script_run(&script, db, &err);
	hf_db_close(db);
	if (script.signal)
		hf_exit_as(script.signal);
	if (status == HF_OK)
		status = send(db_options.flags & HF_DB_READ, &err);
	return hf_atomic_cli_finish(&cli, status, &err, -1, NULL);
}
