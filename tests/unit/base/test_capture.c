/* SPDX-License-Identifier: ISC */
#include "base/capture.h"

#include "hf_test.h"

static struct hf_err err;

static enum hf_status capture(const char *command, int in, const char *file, int *wait_status)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	enum hf_status status = hf_capture(argv, in, fd, file, wait_status, &err);

	close(fd);
	return status;
}

static void the_output_becomes_the_file(void **state)
{
	int status, in;

	(void)state;
	assert_status(HF_OK, capture("printf one; printf two", -1, "f", &status), &err);
	assert_int_equal(status, 0);
	assert_file("f", "onetwo");
	put_file("in", "three");
	in = open("in", O_RDONLY | O_CLOEXEC);
	assert_status(HF_OK, capture("cat; exit 3", in, "f", &status), &err);
	close(in);
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_file("f", "three");
	assert_status(HF_OK, capture("kill -KILL $$", -1, "f", &status), &err);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_file("f", "");
}

static void it_ends_with_the_last_writer(void **state)
{
	int status;

	(void)state;
	/* the background part writes when the command itself is dead */
	assert_status(HF_OK,
		      capture("parent=$$; (while kill -0 $parent; do :; done 2>/dev/null; "
			      "printf late) & printf early",
			      -1, "f", &status),
		      &err);
	assert_file("f", "earlylate");
}

static void a_command_that_cannot_be_run_is_an_error(void **state)
{
	char *argv[] = {(char *)"/no/such/command", NULL};
	int status;

	(void)state;
	assert_status((enum hf_status)127, hf_capture(argv, -1, 1, "f", &status, &err), &err);
}

static void a_full_disk_ends_the_command(void **state)
{
	char *argv[] = {(char *)"yes", NULL};
	int status, full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_status(HF_IO, hf_capture(argv, -1, full, "f", &status, &err), &err);
	assert_int_equal(WTERMSIG(status), SIGPIPE);
	assert_string_equal(err.message, "cannot write 'f': No space left on device");
	close(full);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_output_becomes_the_file),
	cmocka_unit_test(it_ends_with_the_last_writer),
	cmocka_unit_test(a_command_that_cannot_be_run_is_an_error),
	cmocka_unit_test(a_full_disk_ends_the_command),
};

HF_TEST_MAIN(tests)
