/* SPDX-License-Identifier: ISC */
#include "cli/cli.h"

#include <errno.h>

#include "hf_test.h"
#include <holdfast/clock.h>

enum { OPT_LONG_ONLY = HF_OPT_OWN, OPT_RED, OPT_BLUE };

static bool all;
static int64_t number = -1, duration = -1;
static int color;
static const char *text;
static char **shell_command;

static void take(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	printf("%c %s as %s for %s\n", option->id, arg ? arg : "-", cli->option,
	       (const char *)option->context);
}

static char context[] = "me";

static const struct hf_opt options[] = {
	{'a', "all", NULL, "all of it", .flag = &all},
	{'N', "number", "N", "a number from 0 to 9", .number = &number, .max = 9},
	{'b', "backup", "[SUFFIX]", "with an optional argument", .take = take, .context = context},
	{OPT_LONG_ONLY, "long-only", "DURATION", "without a letter", .duration = &duration,
	 .min = 1},
	{'z', NULL, NULL, "without a name", .take = take, .context = context},
	{'t', "text", "[TEXT]", "some text", .text = &text},
	{OPT_RED, "red", NULL, "one choice", .choice = &color, .min = OPT_RED},
	{OPT_BLUE, "blue", NULL, "the other choice", .choice = &color, .min = OPT_BLUE},
	HF_ROW_ALIAS('a', "everything"),
	HF_ROW_ALIAS('N', "count"),
	HF_ROWS_WAIT("wait at most DURATION"),
	HF_ROW_CONFLICT,
	HF_ROW_COMMAND(shell_command),
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] FILE", "FILE COMMAND…", NULL};

static struct hf_cli cli = {
	.tool = "tool",
	.synopsis = synopsis,
	.summary = "Does things.",
	.options = options,
	.footer = "The footer.",
};

/* What a tool would do with these words: prints what it understood, and exits. */
static void understand(char **argv)
{
	struct hf_err err;
	int argc = 0;

	while (argv[argc])
		argc++;
	cli.default_wait = HF_NEVER;
	hf_cli_parse(&cli, argc, argv);
	if (all)
		printf("all\n");
	if (number >= 0)
		printf("number %lld\n", (long long)number);
	if (duration >= 0)
		printf("duration %lld\n", (long long)duration);
	if (color)
		printf("%s\n", color == OPT_RED ? "red" : "blue");
	if (text)
		printf("text %s\n", text);
	if (hf_cli_wait(&cli).deadline != HF_NEVER)
		printf("deadline\n");
	printf("quiet %d verbose %d\n", cli.quiet, cli.verbose);
	for (int i = 0; i < cli.operand_count; i++)
		printf("<%s>", cli.operands[i]);
	exit(hf_cli_end(&cli, cli.conflict == HF_BUSY ? HF_OK : hf_fail(&err, HF_BUSY, "busy"),
			&err));
}

/* Run it; its exit status. Its output lies in the files out and error. */
static int run(void (*body)(char **), ...)
{
	char *argv[32] = {(char *)"argv0"};
	va_list words;
	int status, n = 1;
	pid_t pid;

	va_start(words, body);
	while ((argv[n] = va_arg(words, char *)))
		n++;
	va_end(words);
	pid = fork();
	if (pid == 0) {
		if (!freopen("out", "w", stdout) || !freopen("error", "w", stderr))
			_exit(99);
		body(argv);
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void options_are_read_up_to_the_first_operand(void **state)
{
	(void)state;
	assert_int_equal(run(understand, "-a", "-N", "7", "--long-only=2s", "-z", "-b", "-b~",
			     "--backup=.old", "-qv", "--blue", "-tx", "-t", "FILE", "-a", "--", "x",
			     NULL),
			 0);
	assert_file("out", "z - as -z for me\nb - as -b for me\nb ~ as -b for me\n"
			   "b .old as --backup for me\nall\nnumber 7\nduration 2000000000\nblue\n"
			   "text x\nquiet 1 verbose 1\n<FILE><-a><--><x>");
	assert_file("error", "");
	assert_int_equal(run(understand, "-a", "--", "-N", NULL), 0);
	assert_file("out", "all\nquiet 0 verbose 0\n<-N>");
}

static void long_names_may_be_abbreviated_and_have_aliases(void **state)
{
	(void)state;
	assert_int_equal(run(understand, "--al", "--num", "3", "--wait", "1", NULL), 0);
	assert_file("out", "all\nnumber 3\ndeadline\nquiet 0 verbose 0\n");
	assert_int_equal(run(understand, "--every", "--count=4", "--nonb", NULL), 0);
	assert_file("out", "all\nnumber 4\ndeadline\nquiet 0 verbose 0\n");
}

static void options_of_one_choice_exclude_each_other(void **state)
{
	(void)state;
	assert_int_equal(run(understand, "--red", "--red", NULL), 0);
	assert_file("out", "red\nquiet 0 verbose 0\n");
	assert_int_equal(run(understand, "--blue", "--red", NULL), 64);
	assert_file("error", "tool: --blue and --red exclude each other\n"
			     "Try 'tool --help' for more information.\n");
}

static void a_busy_tool_exits_with_the_status_that_the_option_names(void **state)
{
	(void)state;
	assert_int_equal(run(understand, "-E", "9", NULL), 9);
	assert_file("error", "tool: busy\n");
	assert_int_equal(run(understand, "-q", "-E", "9", NULL), 9);
	assert_file("error", "tool: busy\n");
	cli.quiet_answers = true;
	assert_int_equal(run(understand, "-q", "-E", "9", NULL), 9);
	assert_file("error", "");
	cli.quiet_answers = false;
	assert_int_equal(run(understand, "-E", "256", NULL), 64);
}

/* Read a subcommand, and print what it understood. */
static void obey(char **argv)
{
	static const char *const verbs[] = {"go", "stop", NULL};
	int argc = 0, verb;

	while (argv[argc])
		argc++;
	hf_cli_parse(&cli, argc, argv);
	verb = hf_cli_verb(&cli, verbs);
	printf("%d %d %s\n", verb, all, hf_cli_operand(&cli, "THING"));
	hf_cli_last_operand(&cli);
}

static void options_may_follow_a_subcommand(void **state)
{
	(void)state;
	assert_int_equal(run(obey, "stop", "-a", "x", NULL), 0);
	assert_file("out", "1 1 x\n");
	assert_int_equal(run(obey, "-a", "go", "--", "-a", NULL), 0);
	assert_file("out", "0 1 -a\n");
	assert_int_equal(run(obey, NULL), 64);
	assert_int_equal(run(obey, "wait", NULL), 64);
	assert_int_equal(run(obey, "go", NULL), 64);
	assert_file("error", "tool: no THING\nTry 'tool --help' for more information.\n");
	assert_int_equal(run(obey, "go", "", NULL), 64);
	assert_file("error", "tool: an empty THING: check whether a variable is unset\n"
			     "Try 'tool --help' for more information.\n");
	assert_int_equal(run(obey, "go", "x", "y", NULL), 64);
	assert_file("error", "tool: unexpected operand 'y'\n"
			     "Try 'tool --help' for more information.\n");
}

static void wrong_arguments_are_named_and_exit_with_64(void **state)
{
	(void)state;
	assert_int_equal(run(understand, "--no-such", NULL), 64);
	assert_file("error", "tool: unrecognized option '--no-such'\n"
			     "Try 'tool --help' for more information.\n");
	assert_int_equal(run(understand, "-N", NULL), 64);
	assert_int_equal(run(understand, "-N", "10", NULL), 64);
	assert_file("error", "tool: -N: '10' is not a number from 0 to 9\n"
			     "Try 'tool --help' for more information.\n");
	assert_int_equal(run(understand, "-N", "x", NULL), 64);
	assert_int_equal(run(understand, "-N", "", NULL), 64);
	assert_int_equal(run(understand, "-N", "99999999999999999999", NULL), 64);
	assert_int_equal(run(understand, "--long-only", "-1", NULL), 64);
	assert_file("error", "tool: --long-only: '-1' is not a duration\n"
			     "  write it as 10, 0.5, 250ms, 2m, 1h30m, 7d, 2w or inf\n");
	assert_int_equal(run(understand, "--long-only", "0", NULL), 64);
	assert_file("error", "tool: --long-only: the time must be longer than 0\n"
			     "Try 'tool --help' for more information.\n");
}

static void the_environment_sets_the_timeout_unless_an_option_does(void **state)
{
	(void)state;
	setenv("HOLDFAST_TIMEOUT", "5", 1);
	assert_int_equal(run(understand, NULL), 0);
	assert_file("out", "deadline\nquiet 0 verbose 0\n");
	assert_int_equal(run(understand, "-w", "inf", NULL), 0);
	assert_file("out", "quiet 0 verbose 0\n");
	setenv("HOLDFAST_TIMEOUT", "soon", 1);
	assert_int_equal(run(understand, "-w", "1", NULL), 0);
	assert_int_equal(run(understand, NULL), 64);
	unsetenv("HOLDFAST_TIMEOUT");
}

static void help_shows_the_table(void **state)
{
	char *help;

	(void)state;
	assert_int_equal(run(understand, "--help", "--no-such", NULL), 0);
	assert_file("error", "");
	help = calloc(1, 4096);
	FILE *f = fopen("out", "r");
	assert_true(fread(help, 1, 4095, f) > 0);
	fclose(f);
	assert_non_null(strstr(help, "Usage: tool [options] FILE\n       tool FILE COMMAND…\n"));
	assert_non_null(strstr(help, "  -N, --number N                a number from 0 to 9\n"));
	assert_non_null(strstr(help, "  -b, --backup[=SUFFIX]         with an optional"));
	assert_non_null(strstr(help, "      --long-only DURATION      without a letter\n"));
	assert_non_null(strstr(help, "  -h, --help                    show this help\n"));
	assert_non_null(strstr(help, "The footer."));
	assert_null(strstr(help, "everything"));
	free(help);
	assert_int_equal(run(understand, "--version", NULL), 0);
	assert_file("out", "tool from holdfast " HF_VERSION "\n");
}

static void report(char **argv)
{
	struct hf_err err;

	hf_fail(&err, HF_DATA, "'%s' failed", argv[1]);
	hf_advise(&err, "do this");
	hf_advise(&err, "or that");
	exit((int)hf_cli_report(&cli, &err));
}

static void an_error_is_one_line_and_advice(void **state)
{
	(void)state;
	assert_int_equal(run(report, "a\nb", NULL), HF_DATA);
	assert_file("error", "tool: 'a\\nb' failed\n  do this\n  or that\n");
}

/* The words of a command, as they would be run. */
static void command(char **argv)
{
	char **words = NULL;

	hf_cli_command(&cli, argv + 1, false, &words);
	while (words && *words)
		printf("<%s>", *words++);
}

static void required_command(char **argv)
{
	char **words = NULL;

	hf_cli_command(&cli, argv + 1, true, &words);
}

static void second_command(char **argv)
{
	char **words = hf_cli_shell("true");

	hf_cli_command(&cli, argv + 1, true, &words);
}

static void a_command_is_arguments_or_a_string(void **state)
{
	(void)state;
	unsetenv("SHELL");
	assert_int_equal(run(command, "echo", "-c", NULL), 0);
	assert_file("out", "<echo><-c>");
	assert_int_equal(run(command, "--", "-c", "x", NULL), 0);
	assert_file("out", "<-c><x>");
	assert_int_equal(run(command, "-c", "echo a b", NULL), 0);
	assert_file("out", "</bin/sh><-c><echo a b>");
	setenv("SHELL", "/bin/dash", 1);
	assert_int_equal(run(command, "--command", "x", NULL), 0);
	assert_file("out", "</bin/dash><-c><x>");
	assert_int_equal(run(command, NULL), 0);
	assert_file("out", "");
	assert_int_equal(run(command, "--", NULL), 64);
	assert_int_equal(run(command, "-c", NULL), 64);
	assert_int_equal(run(command, "-c", "x", "y", NULL), 64);
	assert_int_equal(run(required_command, "x", NULL), 0);
	assert_int_equal(run(required_command, NULL), 64);
	assert_file("error", "tool: no COMMAND\nTry 'tool --help' for more information.\n");
	assert_int_equal(run(second_command, NULL), 0);
	assert_int_equal(run(second_command, "x", NULL), 64);
	assert_file("error", "tool: COMMAND and --command exclude each other\n"
			     "Try 'tool --help' for more information.\n");
}

static void closed(char **argv)
{
	char byte;

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	hf_cli_parse(&cli, 1, argv);
	if (open("landed", O_WRONLY | O_CREAT, 0666) < 3)
		_exit(1);
	if (read(0, &byte, 1) != -1 || errno != EBADF)
		_exit(2);
	if (write(1, "x", 1) != -1 || errno != EBADF || write(2, "x", 1) != -1)
		_exit(3);
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) != FD_CLOEXEC)
			_exit(4);
	_exit(0);
}

static void nothing_lands_on_closed_standard_descriptors(void **state)
{
	(void)state;
	assert_int_equal(run(closed, NULL), 0);
}

static void finish_full(char **argv)
{
	(void)argv;
	if (!freopen("/dev/full", "w", stdout))
		_exit(99);
	printf("x");
	exit(hf_cli_finish(&cli, HF_OK));
}

static void output_that_cannot_be_written_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(run(finish_full, NULL), HF_IO);
	assert_file("error", "tool: cannot write standard output: No space left on device\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(options_are_read_up_to_the_first_operand),
	cmocka_unit_test(long_names_may_be_abbreviated_and_have_aliases),
	cmocka_unit_test(options_of_one_choice_exclude_each_other),
	cmocka_unit_test(a_busy_tool_exits_with_the_status_that_the_option_names),
	cmocka_unit_test(options_may_follow_a_subcommand),
	cmocka_unit_test(wrong_arguments_are_named_and_exit_with_64),
	cmocka_unit_test(the_environment_sets_the_timeout_unless_an_option_does),
	cmocka_unit_test(help_shows_the_table),
	cmocka_unit_test(an_error_is_one_line_and_advice),
	cmocka_unit_test(a_command_is_arguments_or_a_string),
	cmocka_unit_test(nothing_lands_on_closed_standard_descriptors),
	cmocka_unit_test(output_that_cannot_be_written_is_an_error),
};

HF_TEST_MAIN(tests)
