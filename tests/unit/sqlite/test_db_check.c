/* SPDX-License-Identifier: ISC */
#include "sqlite/db_check.h"

#include "hf_test.h"

/* What a check finds is tested with sqlite-check; here are the versions. */
static void versions_with_a_bug_are_known(void **state)
{
	(void)state;
	assert_null(hf_check_version(3006023));
	assert_non_null(hf_check_version(3007000));
	assert_non_null(hf_check_version(3040001));
	assert_non_null(hf_check_version(3051002));
	assert_null(hf_check_version(3051003));
	assert_null(hf_check_version(3044006));
	assert_null(hf_check_version(3050007));
	assert_non_null(hf_check_version(3045000));
	assert_non_null(strstr(hf_check_version(3036000), "savepoint"));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(versions_with_a_bug_are_known),
};
HF_TEST_MAIN(tests)
