/* SPDX-License-Identifier: ISC */
#include "sqlite/sql_lexer.h"

#include "hf_test.h"

static const char *skipped(const char *s)
{
	return hf_sql_skip(s, s + strlen(s));
}

static void space_and_comments_are_skipped(void **state)
{
	(void)state;
	assert_string_equal(skipped(" \t\r\n;\f; SELECT"), "SELECT");
	assert_string_equal(skipped("-- one\n--two\nX"), "X");
	assert_string_equal(skipped("/* a * / ; */ /**/X"), "X");
	assert_string_equal(skipped("\xef\xbb\xbfX"), "X");
	assert_string_equal(skipped("-- no end"), "");
	assert_string_equal(skipped("/* no end"), "");
	assert_string_equal(skipped("/*/ X"), "");
	assert_string_equal(skipped("- 1"), "- 1");
	assert_string_equal(skipped("\vX"), "\vX");
	assert_string_equal(skipped("/"), "/");
}

static void a_word_is_in_upper_case(void **state)
{
	const char *s = "Pragma_1 x";
	char word[8];

	(void)state;
	assert_string_equal(hf_sql_word(s, s + strlen(s), word, sizeof(word)), " x");
	assert_string_equal(word, "PRAGMA_");
	assert_ptr_equal(hf_sql_word(s + 8, s + strlen(s), word, sizeof(word)), s + 8);
	assert_string_equal(word, "");
}

static void a_name_may_be_quoted(void **state)
{
	static const char *const quoted[] = {"Ab_1=", "\"Ab_1\"=", "'Ab_1'=", "`Ab_1`=", "[Ab_1]="};
	static const char other[] = "'a b'=";
	char name[8];

	(void)state;
	for (size_t i = 0; i < sizeof(quoted) / sizeof(quoted[0]); i++) {
		const char *end = quoted[i] + strlen(quoted[i]);

		assert_ptr_equal(hf_sql_name(quoted[i], end, name, sizeof(name)), end - 1);
		assert_string_equal(name, "AB_1");
	}
	assert_string_equal(hf_sql_name(other, other + 6, name, sizeof(name)), "=");
	assert_string_equal(name, "");
	assert_ptr_equal(hf_sql_name(other, other + 4, name, sizeof(name)), other + 4);
	assert_ptr_equal(hf_sql_name(other, other, name, sizeof(name)), other);
}

static void a_statement_ends_at_its_semicolon(void **state)
{
	static const char *const whole[] = {
		"a ';' b;",    "a \";\" b;",   "a [;] `;` b;",
		"a -- ;\n b;", "a /* ; */ b;", "a ''';' b;",
	};
	const char *unclosed = "a 'b; c";

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		assert_string_equal(hf_sql_end(whole[i], whole[i] + strlen(whole[i])), ";");
	assert_string_equal(hf_sql_end(unclosed, unclosed + strlen(unclosed)), "");
}

static void a_position_counts_characters(void **state)
{
	const char *text = "a\né;\nx";
	size_t line, column;

	(void)state;
	hf_sql_position(text, text, &line, &column);
	assert_int_equal(line, 1);
	assert_int_equal(column, 1);
	hf_sql_position(text, strchr(text, ';'), &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 2);
	hf_sql_position(text, strchr(text, 'x'), &line, &column);
	assert_int_equal(line, 3);
	assert_int_equal(column, 1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(space_and_comments_are_skipped),
	cmocka_unit_test(a_word_is_in_upper_case),
	cmocka_unit_test(a_name_may_be_quoted),
	cmocka_unit_test(a_statement_ends_at_its_semicolon),
	cmocka_unit_test(a_position_counts_characters),
};
HF_TEST_MAIN(tests)
