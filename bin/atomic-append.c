/* SPDX-License-Identifier: ISC */
/* atomic-append: append a record to a file, all of it or none. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <holdfast/append.h>
#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include <holdfast/input.h>

enum { OPT_EACH_LINE = HF_OPT_OWN, OPT_IN_PLACE };

static const struct hf_opt options[] = {
	{'t', "text", "TEXT", "the record is TEXT and a newline, not standard input"},
	{OPT_EACH_LINE, "each-line", NULL, "every line of standard input is a record"},
	{OPT_IN_PLACE, "in-place", NULL, "write behind the end, for large or tailed files"},
	HF_ROWS_WAIT("10s"),
	HF_ROW_MODE,
	HF_ROW_PARENTS,
	{HF_OPT_NO_FOLLOW, "no-follow", NULL, "refuse a symbolic link"},
	HF_ROW_BREAK_LINKS,
	HF_ROW_ALLOW_EMPTY,
	HF_ROW_SYNC,
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] FILE",
	"[options] -t TEXT FILE",
	"[options] --each-line FILE",
	NULL,
};

static struct hf_cli cli = {
	.tool = "atomic-append",
	.synopsis = synopsis,
	.summary = "Append standard input to FILE as one record: all of it or none, durably.",
	.options = options,
};

static int64_t timeout = -1; /* of --timeout */

/* The wait begins when the record is there: how long it takes to come is no part of it. */
static enum hf_status append(const char *path, const struct hf_append_record *record,
			     struct hf_append_options *o, struct hf_err *err)
{
	hf_atomic_cli_wait(&cli, timeout, &o->file);
	return hf_append(path, record, o, err);
}

/* Nothing to append is refused: the command before the pipe has probably failed. */
static enum hf_status append_one(const char *path, const struct hf_append_record *record,
				 struct hf_append_options *o, struct hf_err *err)
{
	if (record->size == 0 && o->file.allow_empty)
		return HF_OK;
	if (record->size > 0)
		return append(path, record, o, err);
	hf_fail(err, HF_DATA, "nothing to append to '%s'", path);
	hf_advise(err, "use --allow-empty if that is meant");
	return HF_DATA;
}

static enum hf_status append_text(const char *path, const char *text, struct hf_append_options *o,
				  struct hf_err *err)
{
	size_t len = strlen(text);
	char *line = malloc(len + 1);
	struct hf_append_record record = {.data = line, .size = len + 1, .fd = -1};
	enum hf_status status;

	if (!line)
		return hf_fail_errno(err, "cannot append to '%s'", path);
	memcpy(line, text, len);
	line[len] = '\n';
	status = append_one(path, &record, o, err);
	free(line);
	return status;
}

static enum hf_status append_input(const char *path, struct hf_append_options *o,
				   struct hf_err *err)
{
	struct hf_append_record record;
	enum hf_status status = hf_append_record_read(&record, STDIN_FILENO, path, err);

	if (status == HF_OK)
		status = append_one(path, &record, o, err);
	hf_append_record_free(&record);
	return status;
}

static enum hf_status append_lines(const char *path, struct hf_append_options *o,
				   struct hf_err *err)
{
	struct hf_lines lines = {.in = STDIN_FILENO};
	enum hf_status status, uncertain = HF_OK;
	struct hf_append_record record;
	size_t done = 0;

	while ((status = hf_lines_next(&lines, &record, err)) == HF_OK) {
		status = append(path, &record, o, err);
		if (status == HF_UNCERTAIN)
			uncertain = status;
		else if (status != HF_OK)
			break;
		for (const char *s = record.data, *end = s + record.size; s < end; done++)
			s = (const char *)memchr(s, '\n', (size_t)(end - s)) + 1;
	}
	hf_lines_free(&lines);
	if (status == HF_NO)
		return uncertain;
	if (!done) {
		hf_advise(err, "nothing was appended");
		return status;
	}
	if (status == HF_UNKNOWN)
		hf_advise(err,
			  "the first %zu lines of standard input are in, and none behind "
			  "those that are asked about",
			  done);
	else
		hf_advise(err, "the first %zu lines of standard input are in, and no others", done);
	/* HF_BUSY would say that nothing was done: who tries again with all lines doubles these */
	if (status == HF_BUSY)
		status = err->status = HF_UNCERTAIN;
	return status;
}

int main(int argc, char **argv)
{
	struct hf_append_options o = {0};
	const char *text = NULL, *path;
	bool each_line = false;
	enum hf_status status;
	struct hf_err err;
	char *arg;
	int id;

	hf_atomic_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		switch (id) {
		case 't':
			text = arg;
			break;
		case OPT_EACH_LINE:
			each_line = true;
			break;
		case OPT_IN_PLACE:
			o.in_place = true;
			break;
		default:
			hf_atomic_cli_option(&cli, id, arg, &o.file, &timeout);
		}
	}
	if (cli.operand_count != 1)
		hf_cli_usage(&cli,
			     cli.operand_count ? "one FILE only: '%s' is one too many"
					       : "no FILE%s",
			     cli.operand_count ? cli.operands[1] : "");
	if (text && each_line)
		hf_cli_usage(&cli, "--text and --each-line exclude each other");
	hf_atomic_cli_wait(&cli, timeout, &o.file); /* HOLDFAST_TIMEOUT is nonsense: say so now */
	path = cli.operands[0];
	status = text	     ? append_text(path, text, &o, &err)
		 : each_line ? append_lines(path, &o, &err)
			     : append_input(path, &o, &err);
	if (status == HF_OK && cli.verbose)
		hf_cli_notice(&cli, "'%s' has %s", path, each_line ? "the lines" : "the record");
	return hf_atomic_cli_finish(&cli, status, &err, -1, NULL);
}
