/* SPDX-License-Identifier: ISC */
#include "cli/cli.h"

#include <errno.h>

#include <holdfast/clock.h>
#include "hf_test.h"

enum { OPT_LONG_ONLY = HF_OPT_OWN };

static const struct hf_opt options[] = {
	{'a', "all", NULL, "all of it"},
	{'n', "number", "N", "a number from 0 to 9"},
	{'b', "backup", "[SUFFIX]", "with an optional argument"},
	{OPT_LONG_ONLY, "long-only", "DURATION", "without a letter"},
	{'z', NULL, NULL, "without a name"},
	{'a', "everything", NULL, NULL},
	HF_ROWS_WAIT("10s"),
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

/* What a tool would do with these words: says what it understood, and exits. */
static void understand(char **argv)
{
	int argc = 0, id;
	int64_t timeout = -1;
	char *arg;

	while (argv[argc])
		argc++;
	hf_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		if (id == 'n')
			printf("number %ld\n", hf_cli_number(&cli, arg, 0, 9));
		else if (id == OPT_LONG_ONLY)
			printf("duration %lld\n", (long long)hf_cli_duration(&cli, arg));
		else if (id == 'w')
			timeout = hf_cli_duration(&cli, arg);
		else
			printf("%c %s as %s\n", id, arg ? arg : "-", cli.seen);
	}
	if (hf_cli_deadline(&cli, timeout, HF_NEVER) != HF_NEVER)
		printf("deadline\n");
	printf("quiet %d verbose %d\n", cli.quiet, cli.verbose);
	for (int i = 0; i < cli.operand_count; i++)
		printf("<%s>", cli.operands[i]);
	exit(hf_cli_finish(&cli, HF_OK));
}

/* Run it; its exit status. Its output lies in the files out and error. */
static int run(void (*body)(char **), ...)
{
	char *argv[16] = {(char *)"argv0"};
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
	assert_int_equal(run(understand, "-a", "-n", "7", "--long-only=2s", "-z", "-b", "-b~",
			     "--backup=.old", "-qv", "FILE", "-a", "--", "x", NULL),
			 0);
	assert_file("out", "a - as -a\nnumber 7\nduration 2000000000\nz - as -z\nb - as -b\n"
			   "b ~ as -b\nb .old as --backup\nquiet 1 verbose 1\n<FILE><-a><--><x>");
	assert_file("error", "");
	assert_int_equal(run(understand, "-a", "--", "-n", NULL), 0);
	assert_file("out", "a - as -a\nquiet 0 verbose 0\n<-n>");
}

static void long_names_may_be_abbreviated_and_have_aliases(void **state)
{
	(void)state;
	assert_int_equal(run(understand, "--al", "--every", "--num", "3", "--wait", "1", NULL), 0);
	assert_file("out", "a - as --all\na - as --everything\nnumber 3\ndeadline\n"
			   "quiet 0 verbose 0\n");
}

static void wrong_words_are_named_and_exit_with_64(void **state)
{
	(void)state;
	assert_int_equal(run(understand, "--no-such", NULL), 64);
	assert_file("error", "tool: unrecognized option '--no-such'\n"
			     "Try 'tool --help' for more information.\n");
	assert_int_equal(run(understand, "-n", NULL), 64);
	assert_int_equal(run(understand, "-n", "10", NULL), 64);
	assert_file("error", "tool: -n: '10' is not a number from 0 to 9\n"
			     "Try 'tool --help' for more information.\n");
	assert_int_equal(run(understand, "-n", "x", NULL), 64);
	assert_int_equal(run(understand, "-n", "", NULL), 64);
	assert_int_equal(run(understand, "-n", "99999999999999999999", NULL), 64);
	assert_int_equal(run(understand, "--long-only", "-1", NULL), 64);
	assert_file("error", "tool: --long-only: '-1' is not a duration\n"
			     "  write it as 10, 0.5, 250ms, 2m, 1h30m, 7d, 2w or inf\n");
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
	assert_non_null(strstr(help, "  -n, --number N                a number from 0 to 9\n"));
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
	char **words = hf_cli_command(&cli, argv + 1);

	while (words && *words)
		printf("<%s>", *words++);
}

static void a_command_is_words_or_a_string(void **state)
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
}

static void closed(char **argv)
{
	char byte;

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	hf_cli_start(&cli, 1, argv);
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
	cmocka_unit_test(wrong_words_are_named_and_exit_with_64),
	cmocka_unit_test(the_environment_sets_the_timeout_unless_an_option_does),
	cmocka_unit_test(help_shows_the_table),
	cmocka_unit_test(an_error_is_one_line_and_advice),
	cmocka_unit_test(a_command_is_words_or_a_string),
	cmocka_unit_test(nothing_lands_on_closed_standard_descriptors),
	cmocka_unit_test(output_that_cannot_be_written_is_an_error),
};

HF_TEST_MAIN(tests)
