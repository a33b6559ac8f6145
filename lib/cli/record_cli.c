/* SPDX-License-Identifier: ISC */
#include "cli/record_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <holdfast/clock.h>
#include "base/copy.h"
#include "sqlite/script.h"
#include "base/sys.h"

#define DEFAULT_WAIT (10 * HF_SECOND)

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
	size_t room = (size_t)argc + 1;

	*record = (struct hf_record_cli){.cli = cli};
	record->wants = calloc(room, sizeof(*record->wants));
	record->sources = calloc(room, sizeof(*record->sources));
	record->scripts = calloc(room, sizeof(*record->scripts));
	if (!record->wants || !record->sources || !record->scripts)
		hf_cli_usage(cli, "out of memory");
	record->request.files = record->wants;
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
	free(record->wants);
	free(record->sources);
	free(record->scripts);
}

static void add_file(struct hf_cli *cli, struct hf_record_cli *record, enum hf_record_op op,
		     char *arg)
{
	struct hf_record_spec *want = &record->wants[record->request.file_count];
	struct hf_record_source *source = &record->sources[record->request.file_count++];
	bool has_source = op == HF_RECORD_WRITE || op == HF_RECORD_APPEND;
	char *equals = has_source ? strrchr(arg, '=') : NULL;

	if (has_source && (!equals || equals == arg || !equals[1]))
		hf_cli_usage(cli, "%s: '%s' is not PATH=SRC", cli->seen, arg);
	source->owned = equals ? strndup(arg, (size_t)(equals - arg)) : NULL;
	source->path = equals ? source->owned : arg;
	if (!source->path)
		hf_cli_usage(cli, "out of memory");
	source->name = equals ? equals + 1 : NULL;
	*want = (struct hf_record_spec){
		.op = op, .path = source->path, .if_match = record->if_match};
	record->if_match = NULL;
}

static void add_script(struct hf_record_cli *record, char *text, const char *file)
{
	struct hf_record_script *script = &record->scripts[record->script_count++];

	script->name = file;
	script->text = text;
	script->size = text ? strlen(text) : 0;
}

void hf_record_cli_option(struct hf_cli *cli, struct hf_record_cli *record, int id, char *arg)
{
	struct hf_record_request *request = &record->request;
	struct hf_err err;

	switch (id) {
	case HF_OPT_SQLITE_DB:
		request->database = arg;
		break;
	case HF_OPT_GIT_DIR:
		request->repository = arg;
		break;
	case 'm':
		request->message = arg;
		break;
	case HF_OPT_WRITE:
		add_file(cli, record, HF_RECORD_WRITE, arg);
		break;
	case HF_OPT_APPEND:
		add_file(cli, record, HF_RECORD_APPEND, arg);
		break;
	case HF_OPT_REMOVE:
		add_file(cli, record, HF_RECORD_REMOVE, arg);
		break;
	case HF_OPT_SNAPSHOT:
		add_file(cli, record, HF_RECORD_SNAPSHOT, arg);
		break;
	case HF_OPT_IF_MATCH:
		record->if_match = arg;
		break;
	case HF_OPT_SQL:
		add_script(record, arg, NULL);
		break;
	case HF_OPT_SQL_FILE:
		add_script(record, NULL, arg);
		break;
	case 'p':
		if (hf_params_add(&record->params, arg, &err) != HF_OK) {
			hf_cli_report(cli, &err);
			exit(err.status);
		}
		break;
	case HF_OPT_NO_FOREIGN_KEYS:
		request->no_foreign_keys = true;
		break;
	case HF_OPT_PARENTS:
		request->parents = true;
		break;
	case HF_OPT_ALLOW_EMPTY:
		record->allow_empty = true;
		break;
	case HF_OPT_BACKOFF:
		request->backoff = arg;
		break;
	}
}

void hf_record_cli_check(struct hf_cli *cli, const struct hf_record_cli *record, bool recover)
{
	const struct hf_record_request *request = &record->request;

	if (!request->database)
		hf_cli_usage(cli, "no database: give --sqlite");
	if (recover && (request->file_count || record->script_count || request->message))
		hf_cli_usage(cli, "--recover finishes what is there, and records nothing");
	if (recover)
		return;
	if (record->if_match)
		hf_cli_usage(cli, "--if-match stands before the file that it is about");
	if (!request->file_count && !record->script_count)
		hf_cli_usage(cli, "nothing to record: give --write, --append, --remove or --sql");
	if (record->params.count && !record->script_count)
		hf_cli_usage(cli, "--param without SQL");
	if (request->repository && !request->file_count)
		hf_cli_usage(cli, "nothing to commit: --git goes with a file");
	if (request->repository && !request->message)
		hf_cli_usage(cli, "--git goes with a message: give -m");
	if (request->message && !request->repository)
		hf_cli_usage(cli, "--message goes with --git");
}

static void show_line(void *context, const char *line)
{
	hf_cli_notice(context, "%s", line);
}

void hf_record_cli_wait(struct hf_cli *cli, int64_t timeout, struct hf_record_cli *record)
{
	struct hf_record_request *request = &record->request;

	request->wait = hf_cli_wait(cli, timeout, DEFAULT_WAIT);
	if (!cli->quiet) {
		request->report = show_line;
		request->report_context = cli;
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
	struct hf_record_spec *want = &record->wants[i];
	struct hf_record_source *source = &record->sources[i];
	enum hf_status status;

	if (!source->name)
		return HF_OK;
	status = read_source(record, source->name, &source->bytes, &want->size, err);
	if (status != HF_OK)
		return status;
	want->content = source->bytes;
	if (want->size || (record->allow_empty && want->op == HF_RECORD_WRITE))
		return HF_OK;
	hf_fail(err, HF_DATA, "refusing to record '%s': '%s' is empty", want->path, source->name);
	if (want->op == HF_RECORD_WRITE)
		hf_advise(err, "use --allow-empty if that is meant");
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

enum hf_status hf_record_cli_result(const struct hf_record_result *result, bool json, bool quiet,
				    struct hf_err *err)
{
	if (json) {
		printf("{\"id\":\"%s\",\"rowid\":%lld", result->id, (long long)result->rowid);
		if (result->commit[0])
			printf(",\"commit\":\"%s\"", result->commit);
		printf("}\n");
	} else if (!quiet) {
		printf("%lld%s%s\n", (long long)result->rowid, result->commit[0] ? " " : "",
		       result->commit);
	}
	if (fflush(stdout) == 0)
		return HF_OK;
	hf_fail_errno_as(err, HF_UNCERTAIN, "recorded, but standard output cannot be written");
	clearerr(stdout);
	return HF_UNCERTAIN;
}

/* Print a JSON string; its text may be any bytes. */
static void put_json(const char *text)
{
	putchar('"');
	for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (*s < ' ')
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void show_json(const struct hf_intent *intent)
{
	printf("{\"id\":\"%s\",\"created\":%lld", intent->id, (long long)intent->created);
	if (intent->gitdir) {
		printf(",\"gitdir\":");
		put_json(intent->gitdir);
		printf(",\"ref\":");
		put_json(intent->ref);
	}
	printf(",\"files\":[");
	for (size_t i = 0; i < intent->file_count; i++) {
		printf("%s", i ? "," : "");
		put_json(intent->files[i].path);
	}
	printf("]}\n");
}

void hf_record_cli_show(void *context, const struct hf_intent *intent)
{
	const struct hf_record_shown *shown = context;
	char name[4096], when[32] = "-";
	struct tm tm;
	time_t created = (time_t)intent->created;

	if (shown->json) {
		show_json(intent);
		return;
	}
	if (shown->quiet)
		return;
	if (localtime_r(&created, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%.8s  %s", intent->id, when);
	if (intent->gitdir) {
		hf_escape(name, sizeof(name), intent->gitdir);
		printf("  %s", name);
		hf_escape(name, sizeof(name), intent->ref);
		printf(" %s", name);
	}
	printf("\n");
	for (size_t i = 0; i < intent->file_count; i++) {
		hf_escape(name, sizeof(name), intent->files[i].path);
		printf("  %s\n", name);
	}
}
