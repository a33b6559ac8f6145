/* SPDX-License-Identifier: ISC */
#include "base/strerror.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "hf_test.h"

/* The tests are linked with glibc, whose words these are. */
static void errors_are_called_as_by_glibc(void **state)
{
	char glibc[80];

	(void)state;
	for (int errnum = 0; errnum < 200; errnum++) {
		snprintf(glibc, sizeof(glibc), "%s", strerror(errnum));
		assert_string_equal(hf_strerror(errnum), glibc);
	}
}

static void signals_are_called_as_by_glibc(void **state)
{
	char glibc[80];

	(void)state;
	for (int signo = 1; signo <= SIGRTMAX; signo++) {
		snprintf(glibc, sizeof(glibc), "%s", strsignal(signo));
		assert_string_equal(hf_strsignal(signo), glibc);
	}
}

static void errno_is_kept(void **state)
{
	(void)state;
	errno = EXDEV;
	hf_strerror(12345);
	hf_strsignal(12345);
	assert_int_equal(errno, EXDEV);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(errors_are_called_as_by_glibc),
	cmocka_unit_test(signals_are_called_as_by_glibc),
	cmocka_unit_test(errno_is_kept),
};

HF_TEST_MAIN(tests)
