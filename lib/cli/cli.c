/* SPDX-License-Identifier: ISC */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strerror.h"
#include "cli/getopt_glibc.h"
#include <holdfast/clock.h>

enum { MAX_OPTIONS = 64 };

static const struct hf_opt common[] = {
	{'q', "quiet", NULL, "say nothing but errors"},
	{'v', "verbose", NULL, "say what is done and what is waited for"},
	{'h', "help", NULL, "show this help"},
	{'V', "version", NULL, "show the version"},
	HF_ROWS_END,
};

/* Print a notice of the library, unless -q is given. */
static void print_notice(void *context, const char *line)
{
	const struct hf_cli *cli = context;

	if (!cli->quiet)
		hf_cli_notice(cli, "%s", line);
}

void hf_cli_start(struct hf_cli *cli, int argc, char **argv)
{
	for (int fd = 0; fd < 3; fd++) {
		/* open in the wrong direction: reading 0 and writing 1 and 2 still fail */
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0)
			open("/", O_PATH | O_CLOEXEC);
	}
	cli->argc = argc;
	cli->argv = argv;
	hf_set_notice(print_notice, cli);
}

static bool has_letter(const struct hf_opt *option)
{
	return option->id > 0 && option->id < 0x80;
}

/* Return row i of the tool's table followed by the common one; a tool's own row hides the common
 * one of the same letter. */
static const struct hf_opt *option_row(const struct hf_cli *cli, size_t i)
{
	size_t own = 0;

	while (cli->options[own].id)
		own++;
	return i < own ? &cli->options[i] : &common[i - own];
}

static bool is_hidden(const struct hf_cli *cli, const struct hf_opt *option)
{
	if (option < common || option >= common + sizeof(common) / sizeof(common[0]))
		return false;
	for (const struct hf_opt *own = cli->options; own->id; own++)
		if (own->id == option->id)
			return true;
	return false;
}

static void print_help(const struct hf_cli *cli)
{
	for (size_t i = 0; cli->synopsis[i]; i++)
		printf("%s %s %s\n", i ? "      " : "Usage:", cli->tool, cli->synopsis[i]);
	printf("%s\n\nOptions:\n", cli->summary);
	for (size_t i = 0; option_row(cli, i)->id; i++) {
		const struct hf_opt *o = option_row(cli, i);
		char left[80], letter[5] = "    ";
		bool optional = o->arg && o->arg[0] == '[';

		if (!o->help || is_hidden(cli, o))
			continue;
		if (has_letter(o))
			snprintf(letter, sizeof(letter), "-%c%s", o->id, o->name ? ", " : "");
		if (!o->arg)
			snprintf(left, sizeof(left), "%s%s%s", letter, o->name ? "--" : "",
				 o->name ? o->name : "");
		else if (optional)
			snprintf(left, sizeof(left), "%s--%s[=%s", letter, o->name, o->arg + 1);
		else
			snprintf(left, sizeof(left), "%s%s%s %s", letter, o->name ? "--" : "",
				 o->name ? o->name : "", o->arg);
		if (strlen(left) > 28)
			printf("  %s\n  %-28s  %s\n", left, "", o->help);
		else
			printf("  %-28s  %s\n", left, o->help);
	}
	if (cli->footer)
		printf("\n%s\n", cli->footer);
	printf("\nThe manual page %s(1) has examples and every exit status.\n", cli->tool);
}

/* Convert the table for cli/getopt_glibc.h. */
static void convert_table(const struct hf_cli *cli, char *shorts, struct option *longs)
{
	char *s = shorts;
	size_t n = 0;

	for (size_t i = 0; option_row(cli, i)->id; i++) {
		const struct hf_opt *o = option_row(cli, i);
		bool optional = o->arg && o->arg[0] == '[';

		if (is_hidden(cli, o))
			continue;
		if (n == MAX_OPTIONS)
			abort();
		if (o->name)
			longs[n++] = (struct option){o->name,
						     optional ? optional_argument
						     : o->arg ? required_argument
							      : no_argument,
						     NULL, o->id};
		if (has_letter(o) && !strchr(shorts, o->id)) {
			*s++ = (char)o->id;
			if (o->arg)
				*s++ = ':';
			if (optional)
				*s++ = ':';
		}
	}
}

int hf_cli_next(struct hf_cli *cli, char **arg)
{
	static struct option longs[MAX_OPTIONS + 1];
	static char shorts[3 * MAX_OPTIONS + 1];
	static struct hf_options options;
	static char seen[64];
	int id;

	if (!shorts[0]) {
		convert_table(cli, shorts, longs);
		options = (struct hf_options){.tool = cli->tool, .next = cli->argv + 1};
	}
	if (cli->again)
		options.next = cli->operands + 1;
	cli->again = false;
	for (;;) {
		id = hf_options_next(&options, shorts, longs);
		if (id < 0)
			break;
		*arg = options.arg;
		if (options.index >= 0)
			snprintf(seen, sizeof(seen), "--%s", longs[options.index].name);
		else
			snprintf(seen, sizeof(seen), "-%c", id);
		cli->seen = seen;
		switch (id) {
		case '?':
			fprintf(stderr, "Try '%s --help' for more information.\n", cli->tool);
			exit(HF_USAGE);
		case 'h':
			print_help(cli);
			exit(hf_cli_finish(cli, HF_OK));
		case 'V':
			printf("%s from holdfast %s\n", cli->tool, HF_VERSION);
			exit(hf_cli_finish(cli, HF_OK));
		case 'q':
			cli->quiet = true;
			continue;
		case 'v':
			cli->verbose = true;
			continue;
		default:
			return id;
		}
	}
	cli->operands = options.next;
	cli->operand_count = cli->argc - (int)(options.next - cli->argv);
	return HF_CLI_END;
}

void hf_cli_resume(struct hf_cli *cli)
{
	cli->again = true;
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

bool hf_cli_is_long_option(const struct hf_cli *cli, const char *word)
{
	size_t size = strcspn(word, "=");

	if (size < 3 || strncmp(word, "--", 2) != 0)
		return false;
	for (size_t i = 0; option_row(cli, i)->id; i++) {
		const char *name = option_row(cli, i)->name;

		if (name && strlen(name) == size - 2 && memcmp(word + 2, name, size - 2) == 0)
			return true;
	}
	return false;
}

void hf_cli_options_first(struct hf_cli *cli, const char *what)
{
	bool ended = cli->operand_count && strcmp(cli->operands[-1], "--") == 0;

	for (int i = 1; i < cli->operand_count && !ended; i++)
		if (cli->operands[i][0] == '-' && cli->operands[i][1])
			hf_cli_usage(cli,
				     "'%s' stands behind %s: options come first; '--' ends them",
				     cli->operands[i], what);
}

int64_t hf_cli_duration(struct hf_cli *cli, const char *arg)
{
	struct hf_err err;
	int64_t duration;

	if (hf_parse_duration(arg, &duration, &err) == HF_OK)
		return duration;
	fprintf(stderr, "%s: %s: %s\n", cli->tool, cli->seen, err.message);
	fprintf(stderr, "  %s\n", err.advice);
	exit(HF_USAGE);
}

long hf_cli_number(struct hf_cli *cli, const char *arg, long least, long most)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(arg, &end, 10);
	if (end == arg || *end || errno || n < least || n > most)
		hf_cli_usage(cli, "%s: '%s' is not a number from %ld to %ld", cli->seen, arg, least,
			     most);
	return n;
}

bool hf_cli_wait_option(struct hf_cli *cli, int id, const char *arg, int64_t *timeout)
{
	if (id == 'w')
		*timeout = hf_cli_duration(cli, arg);
	else if (id == 'n')
		*timeout = 0;
	else
		return false;
	return true;
}

int64_t hf_cli_limit(struct hf_cli *cli, int64_t timeout, int64_t default_wait)
{
	const char *env = getenv("HOLDFAST_TIMEOUT");

	if (timeout < 0 && env && *env) {
		cli->seen = "HOLDFAST_TIMEOUT";
		timeout = hf_cli_duration(cli, env);
	}
	return timeout < 0 ? default_wait : timeout;
}

int64_t hf_cli_deadline(struct hf_cli *cli, int64_t timeout, int64_t default_wait)
{
	return hf_deadline_in(hf_cli_limit(cli, timeout, default_wait));
}

static void print_wait_notice(void *context, const char *line)
{
	hf_cli_notice(context, "%s", line);
}

struct hf_wait hf_cli_wait(struct hf_cli *cli, int64_t timeout, int64_t default_wait)
{
	int64_t limit = hf_cli_limit(cli, timeout, default_wait);

	return (struct hf_wait){.deadline = hf_deadline_in(limit),
				.limit = limit,
				.notice = hf_cli_wants_notices(cli) ? print_wait_notice : NULL,
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

char **hf_cli_command(struct hf_cli *cli, char **words)
{
	if (words[0] && strcmp(words[0], "--") == 0) {
		if (!words[1])
			hf_cli_usage(cli, "no command after '--'");
		return words + 1;
	}
	if (words[0] && (strcmp(words[0], "-c") == 0 || strcmp(words[0], "--command") == 0)) {
		if (!words[1] || words[2])
			hf_cli_usage(cli, "%s requires exactly one command argument", words[0]);
		return hf_cli_shell(words[1]);
	}
	return words[0] ? words : NULL;
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

bool hf_cli_wants_notices(const struct hf_cli *cli)
{
	return cli->verbose || (!cli->quiet && isatty(STDERR_FILENO));
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
	if ((fflush(stdout) == 0 && !ferror(stdout)) || status != HF_OK)
		return status;
	hf_cli_notice(cli, "cannot write standard output: %s", hf_strerror(errno));
	return HF_IO;
}
