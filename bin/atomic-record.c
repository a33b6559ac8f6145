/* SPDX-License-Identifier: ISC */
/* atomic-record: files, SQL and a Git commit as one step. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include "cli/record_cli.h"
#include "record/record.h"

enum { OPT_RECOVER = HF_OPT_OWN, OPT_DROP, OPT_DRY_RUN };

static struct hf_record_cli record;
static bool recover, dry_run;
static const char *drop;

static const struct hf_opt options[] = {
	HF_ROWS_RECORD(record),
	HF_ROWS_WAIT("limit waits for locks (default 10s)"),
	HF_ROW_CONFLICT,
	HF_ROW_BACKOFF("1ms,20ms", record.request.backoff),
	{OPT_RECOVER, "recover", NULL, "finish the records of killed runs, no more",
	 .flag = &recover},
	{OPT_DROP, "drop", "ID", "with --recover: discard it, and save its data", .text = &drop},
	HF_ROW_ALIAS(OPT_DROP, "discard"),
	{OPT_DRY_RUN, "dry-run", NULL, "with --recover: list; exit with 1 if any is left",
	 .flag = &dry_run},
	HF_ROW_JSON(record.json),
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] --sqlite DB [--write PATH=SRC]… [--sql SQL]…",
	"[options] --sqlite DB --git DIR -m MESSAGE --write PATH=SRC",
	"--recover [--dry-run] --sqlite DB [--git DIR]",
	"--recover --drop ID --sqlite DB",
	NULL,
};

static struct hf_cli cli = {
	.tool = "atomic-record",
	.synopsis = synopsis,
	.summary = "Write files, run SQL and make a Git commit, as one step: all of it or none.",
	.options = options,
	.footer = "In PATH=SRC the last '=' divides; SRC is a file, or - for standard input.\n"
		  "Prints the last inserted rowid, and the commit.",
};

static int do_list(void)
{
	struct hf_err err;
	size_t count;
	enum hf_status status =
		hf_record_list(&record.request, hf_record_cli_show, &record, &count, &err);

	if (status == HF_OK && count)
		return hf_cli_finish(&cli, HF_NO);
	return hf_atomic_cli_end(&cli, status, &err, NULL);
}

static int do_recover(void)
{
	size_t finished, left;
	struct hf_err err;
	enum hf_status status = hf_record_recover(&record.request, &finished, &left, &err);

	if (status == HF_OK && left)
		return hf_cli_finish(&cli, HF_NO);
	return hf_atomic_cli_end(&cli, status, &err, NULL);
}

static int do_drop(void)
{
	char saved[PATH_MAX];
	struct hf_err err;
	enum hf_status status =
		hf_record_drop(&record.request, drop, hf_record_cli_show, &record, saved, &err);

	if (status == HF_OK && !cli.quiet)
		hf_cli_notice(&cli, "discarded; its data is saved in '%s'", saved);
	/* a repeated run would not find the record */
	if (status == HF_OK && fflush(stdout) != 0) {
		status = hf_fail_errno_as(&err, HF_UNCERTAIN,
					  "discarded, but standard output cannot be written");
		clearerr(stdout);
	}
	return hf_atomic_cli_end(&cli, status, &err, NULL);
}

static int do_record(void)
{
	struct hf_record_result result;
	struct hf_err err;
	enum hf_status status = hf_record_cli_read(&record, &err);

	/* the time that the sources take is not part of the wait */
	hf_record_cli_wait(&record);
	if (status == HF_OK)
		status = hf_record(&record.request, &result, &err);
	if (status == HF_OK)
		status = hf_record_cli_result(&record, &result, &err);
	else if (status == HF_UNCERTAIN && result.recorded)
		hf_record_cli_result(&record, &result, NULL);
	return hf_atomic_cli_end(&cli, status, &err, NULL);
}

int main(int argc, char **argv)
{
	int result;

	hf_record_cli_init(&record, &cli, argc);
	hf_atomic_cli_parse(&cli, argc, argv);
	hf_cli_last_operand(&cli);
	if (dry_run && !recover)
		hf_cli_usage(&cli, "--dry-run without --recover");
	if (drop && (!recover || dry_run || record.request.repository))
		hf_cli_usage(&cli, "--drop goes with --recover and --sqlite alone");
	hf_record_cli_check(&record, recover);
	hf_record_cli_wait(&record);
	result = drop ? do_drop() : dry_run ? do_list() : recover ? do_recover() : do_record();
	hf_record_cli_free(&record);
	return result;
}
