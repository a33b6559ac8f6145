/* SPDX-License-Identifier: ISC */
/* atomic-append: append a record to a file, all of it or none. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include <holdfast/append.h>
#include <holdfast/input.h>

enum { OPT_EACH_LINE = HF_OPT_OWN, OPT_IN_PLACE };

static struct hf_append_options append_options;
static const char *text;
static bool each_line;

static const struct hf_opt options[] = {
	{'t', "text", "TEXT", "append TEXT and a newline, not standard input", .text = &text},
	{OPT_EACH_LINE, "each-line", NULL, "append each line of standard input by itself",
	 .flag = &each_line},
	{OPT_IN_PLACE, "in-place", NULL, "write to FILE itself, for large or tailed files",
	 .flag = &append_options.in_place},
	HF_ROWS_WAIT("limit waits for locks (default 10s)"),
	HF_ROW_MODE(append_options.file),
	HF_ROW_PARENTS(append_options.file),
	HF_ROW_NO_FOLLOW("refuse a symbolic link", append_options.file),
	HF_ROW_BREAK_LINKS(append_options.file),
	HF_ROW_ALLOW_EMPTY("accept empty input, and append nothing",
			   append_options.file.allow_empty),
	HF_ROW_SYNC(append_options.file),
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

/* The wait begins after the record has come. */
static enum hf_status append(const char *path, const struct hf_append_record *record,
			     struct hf_err *err)
{
	append_options.file.wait = hf_cli_wait(&cli);
	return hf_append(path, record, &append_options, err);
}

/* Refuse an empty record: the command before the pipe has probably failed. */
static enum hf_status append_one(const char *path, const struct hf_append_record *record,
				 struct hf_err *err)
{
	if (record->size == 0 && append_options.file.allow_empty)
		return HF_OK;
	if (record->size > 0)
		return append(path, record, err);
	hf_fail(err, HF_DATA, "nothing to append to '%s'", path);
	hf_advise(err, "use --allow-empty to accept empty input");
	return HF_DATA;
}

static enum hf_status append_text(const char *path, struct hf_err *err)
{
	char *line;
	int size = asprintf(&line, "%s\n", text);
	struct hf_append_record record = {.data = line, .size = (size_t)size, .fd = -1};
	enum hf_status status;

	if (size < 0)
		return hf_fail_errno(err, "cannot append to '%s'", path);
	status = append_one(path, &record, err);
	free(line);
	return status;
}

static enum hf_status append_input(const char *path, struct hf_err *err)
{
	struct hf_append_record record;
	enum hf_status status = hf_append_record_read(&record, STDIN_FILENO, path, err);

	if (status == HF_OK)
		status = append_one(path, &record, err);
	hf_append_record_free(&record);
	return status;
}

static enum hf_status append_lines(const char *path, struct hf_err *err)
{
	struct hf_lines lines = {.in = STDIN_FILENO};
	enum hf_status status, uncertain = HF_OK;
	struct hf_append_record record;
	size_t done = 0;

	while ((status = hf_lines_next(&lines, &record, err)) == HF_OK) {
		status = append(path, &record, err);
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
	hf_advise(err,
		  status == HF_UNKNOWN
			  ? "the first %zu lines of standard input are appended, the next ones "
			    "perhaps, and no later ones"
			  : "the first %zu lines of standard input are appended, and no others",
		  done);
	/* HF_BUSY would say that nothing was done: a retry with all lines would double these */
	if (status == HF_BUSY)
		status = err->status = HF_UNCERTAIN;
	return status;
}

int main(int argc, char **argv)
{
	enum hf_status status;
	const char *path;
	struct hf_err err;

	hf_atomic_cli_parse(&cli, argc, argv);
	path = hf_cli_operand(&cli, "FILE");
	hf_cli_last_operand(&cli);
	if (text && each_line)
		hf_cli_usage(&cli, "--text and --each-line exclude each other");
	hf_cli_limit(&cli); /* refuse a malformed HOLDFAST_TIMEOUT now */
	status = text	     ? append_text(path, &err)
		 : each_line ? append_lines(path, &err)
			     : append_input(path, &err);
	if (status == HF_OK && cli.verbose)
		hf_cli_notice(&cli, "'%s' has %s", path, each_line ? "the lines" : "the record");
	return hf_atomic_cli_end(&cli, status, &err, NULL);
}
