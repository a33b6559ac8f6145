/* SPDX-License-Identifier: ISC */
#include <holdfast/text.h>

#include <errno.h>

#include "hf_test.h"

static void control_characters_and_invalid_bytes_are_escaped(void **state)
{
	char out[64];

	(void)state;
	hf_escape(out, sizeof(out), "a\nb\tc\033[2J\177");
	assert_string_equal(out, "a\\nb\\tc\\x1b[2J\\x7f");
	hf_escape(out, sizeof(out), "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x92");
	assert_string_equal(out, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x92");
	/* cut short, a stray byte, a C1 control, beyond Unicode */
	hf_escape(out, sizeof(out), "\xe2\x82 \x80 \xc2\x9b \xff");
	assert_string_equal(out, "\\xe2\\x82 \\x80 \\xc2\\x9b \\xff");
}

static void text_is_cut_between_characters(void **state)
{
	char out[8];

	(void)state;
	hf_escape(out, sizeof(out), "123456\xc3\xbc");
	assert_string_equal(out, "123456");
	hf_escape(out, sizeof(out), "12345\n6");
	assert_string_equal(out, "12345\\n");
}

static void format(char *out, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void format(char *out, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	hf_vescape(out, size, format, args);
	va_end(args);
}

static void a_format_is_escaped_and_errno_is_kept(void **state)
{
	char out[16], huge[4096];

	(void)state;
	errno = EIO;
	format(out, sizeof(out), "'%s' %d", "a\nb", 7);
	assert_string_equal(out, "'a\\nb' 7");
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	format(out, sizeof(out), "%s", huge);
	assert_string_equal(out, "xxxxxxxxxxxxxxx");
	assert_int_equal(errno, EIO);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(control_characters_and_invalid_bytes_are_escaped),
	cmocka_unit_test(text_is_cut_between_characters),
	cmocka_unit_test(a_format_is_escaped_and_errno_is_kept),
};

HF_TEST_MAIN(tests)
