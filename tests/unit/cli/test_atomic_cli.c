/* SPDX-License-Identifier: ISC */
#include "cli/atomic_cli.h"

#include "hf_test.h"
#include <holdfast/clock.h>

static struct hf_atomic_cli work;

static const struct hf_opt options[] = {
	HF_ROWS_REPLACE(work),
	HF_ROW_NO_FOLLOW("replace a symbolic link", work.file),
	HF_ROWS_END,
};

static const char *const synopsis[] = {"FILE", NULL};
static struct hf_cli cli = {
	.tool = "tool", .synopsis = synopsis, .summary = "", .options = options};

/* As a tool reads its options; 0 if they are what `arg` wants to see. */
static int read_options(const struct rival *self, void *arg)
{
	char *all[] = {(char *)"tool",	      (char *)"--mode=640",
		       (char *)"--parents",   (char *)"-b",
		       (char *)"--if-match",  (char *)"absent",
		       (char *)"--skip-same", (char *)"--validate",
		       (char *)"true",	      (char *)"--allow-empty",
		       (char *)"--sync",      (char *)"data",
		       (char *)"--no-follow", (char *)"--break-links",
		       (char *)"-w",	      (char *)"2m",
		       (char *)"--print",     (char *)"FILE",
		       (char *)"true",	      NULL};
	char *none[] = {(char *)"tool", NULL}, *now[] = {(char *)"tool", (char *)"-n", NULL};
	char *wrong[] = {(char *)"tool", (char *)"--sync=half", NULL};
	const char *which = arg;
	char **argv = *which == 'a' ? all : *which == 'n' ? none : *which == '0' ? now : wrong;
	const struct hf_atomic_options *o = &work.file;
	struct hf_wait wait;
	int64_t left;
	int argc = 0;

	(void)self;
	while (argv[argc])
		argc++;
	hf_atomic_cli_parse(&cli, argc, argv);
	wait = hf_cli_wait(&cli);
	left = hf_time_left(wait.deadline);
	switch (*which) {
	case 'a':
		hf_atomic_cli_operands(&cli, &work, true);
		return strcmp(o->mode, "640") == 0 && o->parents && strcmp(o->backup, "~") == 0 &&
				       strcmp(o->if_match, "absent") == 0 && o->skip_same &&
				       strcmp(o->validate, "true") == 0 && o->allow_empty &&
				       o->sync == HF_SYNC_DATA && o->no_follow && o->break_links &&
				       work.print && strcmp(work.path, "FILE") == 0 &&
				       strcmp(work.command[0], "true") == 0 &&
				       left > 110 * HF_SECOND
			       ? 0
			       : 1;
	case 'n':
		return !o->mode && !o->backup && o->sync == HF_SYNC_FULL && !work.print &&
				       left > 9 * HF_SECOND && left <= 10 * HF_SECOND
			       ? 0
			       : 1;
	default:
		return wait.deadline == HF_NOWAIT ? 0 : 1;
	}
}

static void options_reach_the_transaction(void **state)
{
	static const struct {
		const char *which;
		int status;
	} cases[] = {{"all", 0}, {"none", 0}, {"0", 0}, {"wrong", HF_USAGE}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rival child = rival_start(read_options, (void *)cases[i].which);

		assert_int_equal(rival_end(&child), cases[i].status);
	}
}

/* Print f to what `arg` opens as standard output. */
static int print_file(const struct rival *self, void *arg)
{
	int fd = open("f", O_RDONLY), ends[2];
	struct hf_err err;

	(void)self;
	if (strcmp(arg, "gone") == 0) {
		if (pipe(ends) < 0 || dup2(ends[1], 1) < 0 || close(ends[0]) < 0)
			return 99;
	} else if (close(1) < 0 || open(arg, O_WRONLY | O_CREAT | O_TRUNC, 0666) != 1) {
		return 98;
	}
	if (hf_atomic_cli_check_print(&err) != HF_OK || lseek(fd, 2, SEEK_SET) < 0)
		return 97;
	return (int)hf_atomic_cli_print(fd, "f", &err);
}

static void a_failed_print_exits_as_uncertain(void **state)
{
	struct rival child;

	(void)state;
	put_file("f", "content\n");
	child = rival_start(print_file, (char *)"out");
	assert_int_equal(rival_end(&child), HF_OK);
	assert_file("out", "content\n");
	child = rival_start(print_file, (char *)"/dev/full");
	assert_int_equal(rival_end(&child), HF_UNCERTAIN);
	child = rival_start(print_file, (char *)"gone");
	assert_int_equal(rival_end(&child), HF_UNCERTAIN);
}

static int check_closed(const struct rival *self, void *arg)
{
	struct hf_err err;

	(void)self;
	(void)arg;
	close(1);
	if (hf_atomic_cli_check_print(&err) != HF_IO)
		return 99;
	return open("/dev/null", O_RDONLY) == 1 && hf_atomic_cli_check_print(&err) == HF_IO ? 0
											    : 98;
}

static void a_closed_output_is_noticed_early(void **state)
{
	struct rival child = rival_start(check_closed, NULL);

	(void)state;
	assert_int_equal(rival_end(&child), 0);
}

/* End as a tool does. */
static int finish(const struct rival *self, void *arg)
{
	char *argv[] = {(char *)"tool", (char *)"-E", (char *)"3", NULL};
	char *command[] = {(char *)"sh", (char *)"-c", (char *)"exit 7", NULL};
	const char *how = arg;
	const struct hf_atomic_options o = {.validate = "kill -TERM $$"};
	struct hf_atomic *a;
	struct hf_err err;

	(void)self;
	put_file("f", "old");
	if (hf_atomic_begin(&a, "f", &o, &err) != HF_OK)
		return 99;
	if (!freopen("error", "w", stderr) || setvbuf(stderr, NULL, _IONBF, 0) != 0)
		return 99;
	hf_cli_parse(&cli, 3, argv);
	if (*how == 'b')
		return hf_atomic_cli_end(&cli, hf_fail(&err, HF_BUSY, "busy"), &err, a);
	if (*how == 'i')
		return hf_atomic_cli_end(&cli, hf_fail(&err, HF_IO, "disk"), &err, a);
	if (*how == 'c') {
		work.path = "f";
		work.command = command;
		hf_atomic_cli_capture(&cli, &work, -1, a, &err);
		return 98;
	}
	return hf_atomic_cli_end(&cli, hf_atomic_commit(a, &err), &err, a);
}

static void the_exit_status_is_that_of_the_outcome(void **state)
{
	struct rival child;

	(void)state;
	child = rival_start(finish, (char *)"busy");
	assert_int_equal(rival_end(&child), 3);
	child = rival_start(finish, (char *)"io");
	assert_int_equal(rival_end(&child), HF_IO);
	assert_file("error", "tool: disk\n  the old content is kept\n");
	child = rival_start(finish, (char *)"command");
	assert_int_equal(rival_end(&child), 7);
	assert_file("error", "tool: 'f' is left as it was: the command exited with 7\n");
	child = rival_start(finish, (char *)"validator");
	assert_int_equal(rival_end(&child), 128 + SIGTERM);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(options_reach_the_transaction),
	cmocka_unit_test(a_failed_print_exits_as_uncertain),
	cmocka_unit_test(a_closed_output_is_noticed_early),
	cmocka_unit_test(the_exit_status_is_that_of_the_outcome),
};

HF_TEST_MAIN(tests)
