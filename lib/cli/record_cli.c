/* SPDX-License-Identifier: ISC */
#include "cli/record_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/sys.h"
#include "sqlite/script.h"
#include <holdfast/clock.h>

/* the limit of SQLite's values */
enum { LARGEST = 1000000000 };

struct hf_record_source {
	char *path;	  /* cut out of PATH=SRC */
	char *owned;	  /* the same, to be freed; or NULL */
	const char *name; /* NULL: it has none */
	void *bytes;
};

struct hf_record_script {
	const char *name; /* of a file; NULL: text is the argument */
	char *text;
	size_t size;
	void *bytes; /* to be freed */
};

/* ---- options -------------------------------------------------------------------------------- */

void hf_record_cli_init(struct hf_record_cli *record, struct hf_cli *cli, int argc)
{
	size_t capacity = (size_t)argc + 1;

	*record = (struct hf_record_cli){.cli = cli};
	record->specs = calloc(capacity, sizeof(*record->specs));
	record->sources = calloc(capacity, sizeof(*record->sources));
	record->scripts = calloc(capacity, sizeof(*record->scripts));
	if (!record->specs || !record->sources || !record->scripts)
		hf_cli_usage(cli, "out of memory");
	record->request.files = record->specs;
}

void hf_record_cli_free(struct hf_record_cli *record)
{
	for (size_t i = 0; i < record->request.file_count; i++) {
		free(record->sources[i].bytes);
		free(record->sources[i].owned);
	}
	for (size_t i = 0; i < record->script_count; i++)
		free(record->scripts[i].bytes);
	hf_params_free(&record->params);
	free(record->specs);
	free(record->sources);
	free(record->scripts);
}

void hf_record_cli_file(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	struct hf_record_cli *record = option->context;
	enum hf_record_op op = (enum hf_record_op)option->min;
	struct hf_record_spec *spec = &record->specs[record->request.file_count];
	struct hf_record_source *source = &record->sources[record->request.file_count++];
	bool has_source = op == HF_RECORD_WRITE || op == HF_RECORD_APPEND;
	char *equals = has_source ? strrchr(arg, '=') : NULL;

	if (has_source && (!equals || equals == arg || !equals[1]))
		hf_cli_usage(cli, "%s: '%s' is not PATH=SRC", cli->option, arg);
	source->owned = equals ? strndup(arg, (size_t)(equals - arg)) : NULL;
	source->path = equals ? source->owned : arg;
	if (!source->path)
		hf_cli_usage(cli, "out of memory");
	source->name = equals ? equals + 1 : NULL;
	*spec = (struct hf_record_spec){
		.op = op, .path = source->path, .if_match = record->if_match};
	record->if_match = NULL;
}

void hf_record_cli_sql(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	struct hf_record_cli *record = option->context;
	struct hf_record_script *script = &record->scripts[record->script_count++];

	(void)cli;
	if (option->id == HF_OPT_SQL)
		*script = (struct hf_record_script){.text = arg, .size = strlen(arg)};
	else
		script->name = arg;
}

void hf_record_cli_check(const struct hf_record_cli *record, bool recover)
{
	struct hf_cli *cli = record->cli;
	const struct hf_record_request *request = &record->request;

	if (!request->database)
		hf_cli_usage(cli, "no database: give --sqlite");
	if (recover && (request->file_count || record->script_count || request->message))
		hf_cli_usage(cli, "--recover excludes files, SQL and a message");
	if (recover)
		return;
	if (record->if_match)
		hf_cli_usage(cli, "--if-match without a file after it");
	if (!request->file_count && !record->script_count)
		hf_cli_usage(cli, "nothing to record: give --write, --append, --remove or --sql");
	if (record->params.count && !record->script_count)
		hf_cli_usage(cli, "--param without SQL");
	if (request->repository && !request->file_count)
		hf_cli_usage(cli, "nothing to commit: --git without a file");
	if (request->repository && !request->message)
		hf_cli_usage(cli, "--git without a message: give -m");
	if (request->message && !request->repository)
		hf_cli_usage(cli, "--message without --git");
}

static void show_line(void *context, const char *line)
{
	hf_cli_notice(context, "%s", line);
}

void hf_record_cli_wait(struct hf_record_cli *record)
{
	struct hf_record_request *request = &record->request;

	request->wait = hf_cli_wait(record->cli);
	if (!record->cli->quiet) {
		request->report = show_line;
		request->report_context = record->cli;
	}
}

/* ---- sources -------------------------------------------------------------------------------- */

static enum hf_status read_source(struct hf_record_cli *record, const char *name, void **bytes,
				  size_t *size, struct hf_err *err)
{
	bool is_input = strcmp(name, "-") == 0;
	enum hf_status status;
	int fd = STDIN_FILENO;

	if (is_input && record->stdin_used)
		hf_cli_usage(record->cli, "standard input can be read once only");
	record->stdin_used = record->stdin_used || is_input;
	if (!is_input)
		fd = sys_openat(AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return hf_fail_errno_as(err, errno == ENOENT ? HF_NOINPUT : hf_status_of(errno),
					"cannot open '%s'", name);
	status = hf_read_all(fd, LARGEST, bytes, size, is_input ? NULL : name, err);
	if (!is_input)
		sys_close(fd);
	return status;
}

static enum hf_status read_file_source(struct hf_record_cli *record, size_t i, struct hf_err *err)
{
	struct hf_record_spec *spec = &record->specs[i];
	struct hf_record_source *source = &record->sources[i];
	enum hf_status status;

	if (!source->name)
		return HF_OK;
	status = read_source(record, source->name, &source->bytes, &spec->size, err);
	if (status != HF_OK)
		return status;
	spec->content = source->bytes;
	if (spec->size || (record->allow_empty && spec->op == HF_RECORD_WRITE))
		return HF_OK;
	hf_fail(err, HF_DATA, "refusing to record '%s': '%s' is empty", spec->path, source->name);
	if (spec->op == HF_RECORD_WRITE)
		hf_advise(err, "use --allow-empty to accept it");
	return HF_DATA;
}

static enum hf_status run_scripts(void *context, struct hf_db *db, struct hf_err *err)
{
	struct hf_record_cli *record = context;
	enum hf_status status = HF_OK;

	hf_params_again(&record->params);
	for (size_t i = 0; i < record->script_count && status == HF_OK; i++) {
		struct hf_script script = {.text = record->scripts[i].text,
					   .size = record->scripts[i].size,
					   .params = &record->params};

		status = hf_script_run_inside(&script, db, err);
	}
	return status == HF_OK ? hf_params_check(&record->params, err) : status;
}

enum hf_status hf_record_cli_read(struct hf_record_cli *record, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < record->request.file_count && status == HF_OK; i++)
		status = read_file_source(record, i, err);
	for (size_t i = 0; i < record->script_count && status == HF_OK; i++) {
		struct hf_record_script *script = &record->scripts[i];

		if (script->text)
			continue;
		status = read_source(record, script->name, &script->bytes, &script->size, err);
		script->text = script->bytes;
	}
	if (record->script_count) {
		record->request.sql = run_scripts;
		record->request.sql_context = record;
	}
	return status;
}

/* ---- output --------------------------------------------------------------------------------- */

enum hf_status hf_record_cli_result(const struct hf_record_cli *record,
				    const struct hf_record_result *result, struct hf_err *err)
{
	struct hf_json json = {.out = stdout};

	if (record->json) {
		hf_json_begin(&json, NULL, '{');
		hf_json_text(&json, "id", result->id);
		hf_json_number(&json, "rowid", result->rowid);
		if (result->commit[0])
			hf_json_text(&json, "commit", result->commit);
		hf_json_end(&json);
	} else if (!record->cli->quiet) {
		printf("%lld%s%s\n", (long long)result->rowid, result->commit[0] ? " " : "",
		       result->commit);
	}
	if (fflush(stdout) == 0)
		return HF_OK;
	hf_fail_errno_as(err, HF_UNCERTAIN, "recorded, but standard output cannot be written");
	clearerr(stdout);
	return HF_UNCERTAIN;
}

static void show_json(const struct hf_intent *intent)
{
	struct hf_json json = {.out = stdout};

	hf_json_begin(&json, NULL, '{');
	hf_json_text(&json, "id", intent->id);
	hf_json_number(&json, "created", intent->created);
	if (intent->gitdir) {
		hf_json_text(&json, "gitdir", intent->gitdir);
		hf_json_text(&json, "ref", intent->ref);
	}
	hf_json_begin(&json, "files", '[');
	for (size_t i = 0; i < intent->file_count; i++)
		hf_json_text(&json, NULL, intent->files[i].path);
	hf_json_end(&json);
	hf_json_end(&json);
}

static void put_escaped(const char *before, const char *text)
{
	char name[4096];

	hf_escape(name, sizeof(name), text);
	printf("%s%s", before, name);
}

void hf_record_cli_show(void *context, const struct hf_intent *intent)
{
	const struct hf_record_cli *record = context;
	char when[32] = "-";
	struct tm tm;
	time_t created = (time_t)intent->created;

	if (record->json) {
		show_json(intent);
		return;
	}
	if (record->cli->quiet)
		return;
	if (localtime_r(&created, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%.8s  %s", intent->id, when);
	if (intent->gitdir) {
		put_escaped("  ", intent->gitdir);
		put_escaped(" ", intent->ref);
	}
	for (size_t i = 0; i < intent->file_count; i++)
		put_escaped("\n  ", intent->files[i].path);
	putchar('\n');
}
