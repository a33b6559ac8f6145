/* SPDX-License-Identifier: ISC */
#include "atomic/validate.h"

#include "hf_test.h"

static struct hf_err err;

static enum hf_status validate(const char *command, int *wait_status)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	enum hf_status status;

	assert_int_equal(write(fd, "content", 7), 7);
	status = hf_validate(fd, command, "f", wait_status, &err);
	close(fd);
	return status;
}

static void the_command_sees_the_content(void **state)
{
	int status;

	(void)state;
	assert_status(HF_OK, validate("test \"$(cat \"$1\")\" = content", &status), &err);
	/* as often as it likes, and its own input is empty */
	assert_status(HF_OK, validate("cat \"$1\" \"$1\" >seen; cat >>seen", &status), &err);
	assert_file("seen", "contentcontent");
}

static void a_refusal_says_how_the_command_ended(void **state)
{
	int status;

	(void)state;
	assert_status(HF_DATA, validate("exit 3", &status), &err);
	assert_string_equal(err.message, "the new content of 'f' is refused");
	assert_string_equal(err.advice, "'exit 3' exited with 3");
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_status(HF_DATA, validate("kill -USR1 $$", &status), &err);
	assert_non_null(strstr(err.advice, "was ended by signal 10 ("));
	assert_int_equal(WTERMSIG(status), SIGUSR1);
	assert_status(HF_DATA, validate("no-such-command 2>/dev/null", &status), &err);
	assert_int_equal(WEXITSTATUS(status), 127);
}

static void its_output_goes_to_standard_error(void **state)
{
	int out = dup(1), error = dup(2), status;
	int file = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666);
	int other = open("error", O_WRONLY | O_CREAT | O_TRUNC, 0666);

	(void)state;
	dup2(file, 1);
	dup2(other, 2);
	status = validate("echo said", &status) == HF_OK ? 0 : 1;
	dup2(out, 1);
	dup2(error, 2);
	close(file);
	close(other);
	assert_int_equal(status, 0);
	assert_file("out", "");
	assert_file("error", "said\n");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_command_sees_the_content),
	cmocka_unit_test(a_refusal_says_how_the_command_ended),
	cmocka_unit_test(its_output_goes_to_standard_error),
};

HF_TEST_MAIN(tests)
