/* SPDX-License-Identifier: ISC */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/getopt_glibc.h"
#include "cli/option_table.h"
#include <holdfast/clock.h>

/* Print a notice of the library, unless -q is given. */
static void print_notice(void *context, const char *line)
{
	const struct hf_cli *cli = context;

	if (!cli->quiet)
		hf_cli_notice(cli, "%s", line);
}

/* Occupy closed standard descriptors. */
static void occupy_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++) {
		/* open in the wrong direction: reading 0 and writing 1 and 2 still fail */
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0)
			open("/", O_PATH | O_CLOEXEC);
	}
}

static int64_t get_duration(struct hf_cli *cli, const char *arg, int64_t min)
{
	struct hf_err err;
	int64_t duration;

	if (hf_parse_duration(arg, &duration, &err) != HF_OK) {
		fprintf(stderr, "%s: %s: %s\n", cli->tool, cli->option, err.message);
		fprintf(stderr, "  %s\n", err.advice);
		exit(HF_USAGE);
	}
	if (duration < min)
		hf_cli_usage(cli, "%s: the time must be longer than 0", cli->option);
	return duration;
}

/* Set a choice, of which options exclude each other. */
static void choose(struct hf_cli *cli, const struct hf_opt *option)
{
	for (const struct hf_opt *o = cli->options; o->id; o++)
		if (o->choice == option->choice && *o->choice == o->min && o != option)
			hf_cli_usage(cli, "--%s and --%s exclude each other", o->name,
				     option->name);
	*option->choice = (int)option->min;
}

static void store_value(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	if (option->flag)
		*option->flag = true;
	if (option->choice)
		choose(cli, option);
	if (option->take)
		option->take(cli, option, arg);
	if (!arg)
		return;
	if (option->text)
		*option->text = arg;
	if (option->number)
		*option->number = hf_cli_number(cli, arg, (long)option->min, (long)option->max);
	if (option->command)
		*option->command = hf_cli_shell(arg);
	if (option->duration)
		*option->duration = get_duration(cli, arg, option->min);
}

static void take_option(struct hf_cli *cli, int id, char *arg)
{
	switch (id) {
	case '?':
		fprintf(stderr, "Try '%s --help' for more information.\n", cli->tool);
		exit(HF_USAGE);
	case 'h':
		hf_option_table_help(cli);
		exit(hf_cli_finish(cli, HF_OK));
	case 'V':
		printf("%s from holdfast %s\n", cli->tool, HF_VERSION);
		exit(hf_cli_finish(cli, HF_OK));
	case 'q':
		cli->quiet = true;
		break;
	case 'v':
		cli->verbose = true;
		break;
	case 'w':
		cli->timeout = get_duration(cli, arg, 0);
		break;
	case 'n':
		cli->timeout = 0;
		break;
	case 'E':
		cli->conflict = hf_cli_number(cli, arg, 0, 255);
		break;
	default:
		store_value(cli, hf_option_table_find(cli, id), arg);
	}
}

/* Read the options from this argument on. */
static void parse_from(struct hf_cli *cli, char **next)
{
	struct hf_options options = {.tool = cli->tool, .next = next};
	struct option longs[HF_MAX_OPTIONS + 1] = {{.name = NULL}};
	char shorts[3 * HF_MAX_OPTIONS + 1] = "", name[64];
	int id;

	hf_option_table_convert(cli, shorts, longs);
	while ((id = hf_options_next(&options, shorts, longs)) >= 0) {
		if (options.index >= 0)
			snprintf(name, sizeof(name), "--%s", longs[options.index].name);
		else
			snprintf(name, sizeof(name), "-%c", id);
		cli->option = name;
		take_option(cli, id, options.arg);
	}
	cli->option = NULL;
	cli->operands = options.next;
	cli->operand_count = cli->argc - (int)(options.next - cli->argv);
}

void hf_cli_parse(struct hf_cli *cli, int argc, char **argv)
{
	occupy_descriptors();
	cli->argc = argc;
	cli->argv = argv;
	cli->timeout = -1;
	cli->conflict = HF_BUSY;
	hf_set_notice(print_notice, cli);
	parse_from(cli, argv + 1);
}

int hf_cli_verb(struct hf_cli *cli, const char *const *verbs)
{
	const char *verb = hf_cli_operand(cli, "verb");
	int i = 0;

	while (verbs[i] && strcmp(verb, verbs[i]) != 0)
		i++;
	if (!verbs[i])
		hf_cli_usage(cli, "'%s' is not a subcommand", verb);
	parse_from(cli, cli->operands);
	return i;
}

char *hf_cli_operand(struct hf_cli *cli, const char *what)
{
	if (!cli->operand_count)
		hf_cli_usage(cli, "no %s", what);
	if (!cli->operands[0][0])
		hf_cli_usage(cli, "an empty %s: check whether a variable is unset", what);
	cli->operand_count--;
	return *cli->operands++;
}

void hf_cli_last_operand(struct hf_cli *cli)
{
	if (cli->operand_count)
		hf_cli_usage(cli, "unexpected operand '%s'", cli->operands[0]);
}

static void print_line(const struct hf_cli *cli, const char *format, va_list args)
{
	char line[2048];

	hf_vescape(line, sizeof(line), format, args);
	fprintf(stderr, "%s: %s\n", cli->tool, line);
}

void hf_cli_usage(struct hf_cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line(cli, format, args);
	va_end(args);
	fprintf(stderr, "Try '%s --help' for more information.\n", cli->tool);
	exit(HF_USAGE);
}

void hf_cli_options_first(struct hf_cli *cli, const char *what)
{
	bool ended = cli->operand_count && strcmp(cli->operands[-1], "--") == 0;

	for (int i = 1; i < cli->operand_count && !ended; i++)
		if (cli->operands[i][0] == '-' && cli->operands[i][1])
			hf_cli_usage(cli, "'%s' follows %s: options come first; '--' ends them",
				     cli->operands[i], what);
}

long hf_cli_number(struct hf_cli *cli, const char *arg, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(arg, &end, 10);
	if (end == arg || *end || errno || n < min || n > max)
		hf_cli_usage(cli, "%s: '%s' is not a number from %ld to %ld", cli->option, arg, min,
			     max);
	return n;
}

int64_t hf_cli_limit(struct hf_cli *cli)
{
	const char *env = getenv("HOLDFAST_TIMEOUT");

	if (cli->timeout < 0 && env && *env) {
		cli->option = "HOLDFAST_TIMEOUT";
		cli->timeout = get_duration(cli, env, 0);
	}
	if (cli->timeout < 0)
		cli->timeout = cli->default_wait ? cli->default_wait : 10 * HF_SECOND;
	return cli->timeout;
}

/* Return true if notices are wanted: with -v, or on a terminal without -q. */
static bool wants_notices(const struct hf_cli *cli)
{
	return cli->verbose || (!cli->quiet && isatty(STDERR_FILENO));
}

static void print_wait_notice(void *context, const char *line)
{
	hf_cli_notice(context, "%s", line);
}

struct hf_wait hf_cli_wait(struct hf_cli *cli)
{
	int64_t limit = hf_cli_limit(cli);

	return (struct hf_wait){.deadline = hf_deadline_in(limit),
				.limit = limit,
				.notice = wants_notices(cli) ? print_wait_notice : NULL,
				.context = cli};
}

char **hf_cli_shell(const char *string)
{
	static char *words[4];
	char *shell = getenv("SHELL");

	words[0] = shell && *shell ? shell : (char *)_PATH_BSHELL;
	words[1] = (char *)"-c";
	words[2] = (char *)string;
	return words;
}

void hf_cli_command(struct hf_cli *cli, char **words, bool required, char ***command)
{
	if (*command && words[0])
		hf_cli_usage(cli, "COMMAND and --command exclude each other");
	if (required && !*command && !words[0])
		hf_cli_usage(cli, "no COMMAND");
	if (!words[0])
		return;
	*command = words;
	if (strcmp(words[0], "--") == 0) {
		if (!words[1])
			hf_cli_usage(cli, "no command after '--'");
		*command = words + 1;
	} else if (strcmp(words[0], "-c") == 0 || strcmp(words[0], "--command") == 0) {
		if (!words[1] || words[2])
			hf_cli_usage(cli, "%s requires exactly one command argument", words[0]);
		*command = hf_cli_shell(words[1]);
	}
}

enum hf_status hf_cli_report_to(FILE *out, const struct hf_cli *cli, const struct hf_err *err)
{
	fprintf(out, "%s: %s\n", cli->tool, err->message);
	for (const char *line = err->advice; *line;) {
		int len = (int)strcspn(line, "\n");

		fprintf(out, "  %.*s\n", len, line);
		line += len + (line[len] == '\n');
	}
	return err->status;
}

enum hf_status hf_cli_report(const struct hf_cli *cli, const struct hf_err *err)
{
	return hf_cli_report_to(stderr, cli, err);
}

void hf_cli_notice(const struct hf_cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line(cli, format, args);
	va_end(args);
}

enum hf_status hf_cli_flush(struct hf_err *err)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return HF_OK;
	return hf_fail_errno_as(err, HF_IO, "cannot write standard output");
}

int hf_cli_finish(const struct hf_cli *cli, int status)
{
	struct hf_err err;

	if (status != HF_OK || hf_cli_flush(&err) == HF_OK)
		return status;
	return (int)hf_cli_report(cli, &err);
}

int hf_cli_end(const struct hf_cli *cli, enum hf_status status, const struct hf_err *err)
{
	bool is_answer = status == HF_NO || status == HF_BUSY;

	if (status != HF_OK && err->message[0] && !(is_answer && cli->quiet && cli->quiet_answers))
		hf_cli_report(cli, err);
	return status == HF_BUSY ? (int)cli->conflict : hf_cli_finish(cli, (int)status);
}
