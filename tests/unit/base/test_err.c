/* SPDX-License-Identifier: ISC */
#include <holdfast/err.h>

#include <errno.h>

#include "hf_test.h"

static void a_message_says_what_failed_and_why(void **state)
{
	struct hf_err err;

	(void)state;
	errno = ENOSPC;
	assert_int_equal(hf_fail_errno(&err, "cannot write '%s'", "f"), HF_IO);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(err.status, HF_IO);
	assert_int_equal(err.errnum, ENOSPC);
	assert_string_equal(err.message, "cannot write 'f': No space left on device");
	assert_string_equal(err.advice, "");

	assert_int_equal(hf_fail(&err, HF_DATA, "no %d", 7), HF_DATA);
	assert_int_equal(err.errnum, 0);
	assert_string_equal(err.message, "no 7");

	errno = EIO;
	assert_int_equal(hf_fail_errno_as(&err, HF_UNCERTAIN, "x"), HF_UNCERTAIN);
	assert_int_equal(err.status, HF_UNCERTAIN);
	assert_string_equal(err.message, "x: Input/output error");
}

static void the_error_may_be_null(void **state)
{
	(void)state;
	errno = EACCES;
	assert_int_equal(hf_fail_errno(NULL, "x"), HF_NOPERM);
	assert_int_equal(hf_fail(NULL, HF_BUSY, "x"), HF_BUSY);
	hf_advise(NULL, "x");
}

static void a_message_is_one_line_and_fits(void **state)
{
	struct hf_err err;
	char huge[4096];

	(void)state;
	hf_fail(&err, HF_DATA, "'%s'", "two\nlines");
	assert_string_equal(err.message, "'two\\nlines'");
	hf_advise(&err, "lock '%s'", "a\nb");
	assert_string_equal(err.advice, "lock 'a\\nb'");
	memset(huge, '\n', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	errno = EIO;
	hf_fail_errno(&err, "%s", huge);
	assert_true(strlen(err.message) < sizeof(err.message));
	hf_advise(&err, "%s", huge);
	assert_true(strlen(err.advice) < sizeof(err.advice));
}

static void advice_comes_in_lines_and_a_failure_empties_it(void **state)
{
	struct hf_err err;
	char line[600];

	(void)state;
	hf_fail(&err, HF_DATA, "x");
	hf_advise(&err, "one");
	hf_advise(&err, "two");
	assert_string_equal(err.advice, "one\ntwo");
	memset(line, 'y', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	hf_advise(&err, "%s", line);
	assert_int_equal(strlen(err.advice), 7 + 1 + 599);
	hf_advise(&err, "%s", line);
	assert_int_equal(strlen(err.advice), 7 + 1 + 599);
	hf_fail(&err, HF_DATA, "x");
	assert_string_equal(err.advice, "");
}

static void an_errno_has_a_status(void **state)
{
	static const struct {
		int errnum;
		enum hf_status status;
	} known[] = {
		{EIO, HF_IO},
		{ENOSPC, HF_IO},
		{EDQUOT, HF_IO},
		{EFBIG, HF_IO},
		{EACCES, HF_NOPERM},
		{EPERM, HF_NOPERM},
		{EROFS, HF_CANTCREAT},
		{ENOENT, HF_CANTCREAT},
		{ENOTDIR, HF_CANTCREAT},
		{EBUSY, HF_CANTCREAT},
		{ENAMETOOLONG, HF_USAGE},
		{EISDIR, HF_DATA},
		{EAGAIN, HF_BUSY},
		{ENOSYS, HF_UNAVAILABLE},
		{EMFILE, HF_OS},
		{ENOMEM, HF_OS},
		{0, HF_BUG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(hf_status_of(known[i].errnum), known[i].status);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_message_says_what_failed_and_why),
	cmocka_unit_test(the_error_may_be_null),
	cmocka_unit_test(a_message_is_one_line_and_fits),
	cmocka_unit_test(advice_comes_in_lines_and_a_failure_empties_it),
	cmocka_unit_test(an_errno_has_a_status),
};

HF_TEST_MAIN(tests)
