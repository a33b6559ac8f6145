/* SPDX-License-Identifier: ISC */
/* atomic-record: files, SQL and a Git commit as one step. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include "record/record.h"
#include "cli/record_cli.h"

enum { OPT_RECOVER = HF_OPT_OWN, OPT_DROP, OPT_DRY_RUN, OPT_JSON };

static const struct hf_opt options[] = {
	HF_ROWS_RECORD,
	HF_ROWS_WAIT("10s"),
	HF_ROW_CONFLICT,
	{HF_OPT_BACKOFF, "backoff", "BASE,CAP", "pauses where the kernel cannot tell (1ms,20ms)"},
	{OPT_RECOVER, "recover", NULL, "finish what a killed run left unfinished, and no more"},
	{OPT_DROP, "drop", "ID", "with --recover: give this one up, and save what it has"},
	{OPT_DRY_RUN, "dry-run", NULL, "with --recover: list it; exit with 1 if there is any"},
	{OPT_JSON, "json", NULL, "print as JSON"},
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] --sqlite DB [--git DIR -m MESSAGE] [--write PATH=SRC]… [--sql SQL]…",
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

static int64_t timeout = -1;
static int conflict = -1;
static bool json;

static int finish(enum hf_status status, struct hf_err *err)
{
	return hf_atomic_cli_finish(&cli, status, err, conflict, NULL);
}

static int do_list(struct hf_record_request *request)
{
	struct hf_record_shown shown = {.json = json, .quiet = cli.quiet};
	struct hf_err err;
	size_t count;
	enum hf_status status = hf_record_list(request, hf_record_cli_show, &shown, &count, &err);

	if (status == HF_OK && count)
		return hf_cli_finish(&cli, HF_NO);
	return finish(status, &err);
}

static int do_recover(struct hf_record_request *request)
{
	size_t finished, left;
	struct hf_err err;
	enum hf_status status = hf_record_recover(request, &finished, &left, &err);

	if (status == HF_OK && left)
		return hf_cli_finish(&cli, HF_NO);
	return finish(status, &err);
}

static int do_drop(struct hf_record_request *request, const char *id)
{
	struct hf_record_shown shown = {.json = json, .quiet = cli.quiet};
	char saved[PATH_MAX];
	struct hf_err err;
	enum hf_status status =
		hf_record_drop(request, id, hf_record_cli_show, &shown, saved, &err);

	if (status == HF_OK && !cli.quiet)
		hf_cli_notice(&cli, "given up; what it had is in '%s'", saved);
	/* what was done is not done again */
	if (status == HF_OK && fflush(stdout) != 0) {
		status = hf_fail_errno_as(&err, HF_UNCERTAIN,
					  "given up, but standard output cannot be written");
		clearerr(stdout);
	}
	return finish(status, &err);
}

static int do_record(struct hf_record_cli *record)
{
	struct hf_record_result result;
	struct hf_err err;
	enum hf_status status = hf_record_cli_read(record, &err);

	/* how long the sources take is no part of the wait */
	hf_record_cli_wait(&cli, timeout, record);
	if (status == HF_OK)
		status = hf_record(&record->request, &result, &err);
	if (status == HF_OK)
		status = hf_record_cli_result(&result, json, cli.quiet, &err);
	else if (status == HF_UNCERTAIN && result.recorded)
		hf_record_cli_result(&result, json, cli.quiet, NULL);
	return finish(status, &err);
}

int main(int argc, char **argv)
{
	bool recover = false, dry_run = false;
	struct hf_record_cli record;
	char *arg, *drop = NULL;
	int id, status;

	hf_atomic_cli_start(&cli, argc, argv);
	hf_record_cli_init(&record, &cli, argc);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		if (hf_cli_wait_option(&cli, id, arg, &timeout))
			continue;
		if (id == 'E')
			conflict = (int)hf_cli_number(&cli, arg, 0, 255);
		else if (id == OPT_RECOVER)
			recover = true;
		else if (id == OPT_DROP)
			drop = arg;
		else if (id == OPT_DRY_RUN)
			dry_run = true;
		else if (id == OPT_JSON)
			json = true;
		else
			hf_record_cli_option(&cli, &record, id, arg);
	}
	if (cli.operand_count)
		hf_cli_usage(&cli, "'%s' is one too many: everything is named by an option",
			     cli.operands[0]);
	if (dry_run && !recover)
		hf_cli_usage(&cli, "--dry-run goes with --recover");
	if (drop && (!recover || dry_run || record.request.repository))
		hf_cli_usage(&cli, "--drop goes with --recover and --sqlite alone");
	hf_record_cli_check(&cli, &record, recover);
	hf_record_cli_wait(&cli, timeout, &record);
	status = drop	   ? do_drop(&record.request, drop)
		 : dry_run ? do_list(&record.request)
		 : recover ? do_recover(&record.request)
			   : do_record(&record);
	hf_record_cli_free(&record);
	return status;
}
