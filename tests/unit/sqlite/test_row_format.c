/* SPDX-License-Identifier: ISC */
#include "sqlite/row_format.h"

#include <math.h>

#include "hf_test.h"

/* What is printed of whole queries is tested with sqlite-run; here are the numbers. */
static void a_real_can_be_read_again(void **state)
{
	static const struct {
		double r;
		const char *text;
	} reals[] = {
		{0.1, "0.1"},
		{0.1 + 0.2, "0.30000000000000004"},
		{2, "2.0"},
		{-0.0, "-0.0"},
		{1e100, "1e+100"},
		{1e15, "1e+15"},
		{5e-324, "4.94065645841247e-324"},
		{HUGE_VAL, "Inf"},
		{-HUGE_VAL, "-Inf"},
	};
	char text[40];

	(void)state;
	for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
		assert_string_equal(hf_row_format_real(text, reals[i].r, "Inf"), reals[i].text);
		if (!isinf(reals[i].r))
			assert_true(strtod(text, NULL) == reals[i].r);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_real_can_be_read_again),
};
HF_TEST_MAIN(tests)
