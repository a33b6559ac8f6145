/* SPDX-License-Identifier: ISC */
#include "git/commit_message.h"

#include "hf_test.h"

static const struct hf_cleanup plain;

static const char trailer[] = "Holdfast-Record: 5f3a";

static void is_made(const char *text, const char *wanted)
{
	struct hf_err err;
	char *message;

	assert_status(HF_OK, hf_commit_message_make(text, plain, trailer, &message, &err), &err);
	assert_string_equal(message, wanted);
	assert_true(hf_commit_message_has(message, trailer));
	free(message);
}

static void a_trailer_gets_its_paragraph(void **state)
{
	(void)state;
	is_made("subject", "subject\n\nHoldfast-Record: 5f3a\n");
	is_made("subject\n\nbody: of\nwords\n",
		"subject\n\nbody: of\nwords\n\nHoldfast-Record: 5f3a\n");
	/* the first paragraph is never one of trailers */
	is_made("fix: it\n", "fix: it\n\nHoldfast-Record: 5f3a\n");
}

static void a_trailer_joins_others(void **state)
{
	(void)state;
	is_made("s\n\nKey: v\n more of v\nOther-Key : w\n",
		"s\n\nKey: v\n more of v\nOther-Key : w\nHoldfast-Record: 5f3a\n");
	is_made("s\n\nwords\nSigned-off-by: a\n",
		"s\n\nwords\nSigned-off-by: a\nHoldfast-Record: 5f3a\n");
	is_made("s\n\n1\n2\n3\n4\nSigned-off-by: a\n",
		"s\n\n1\n2\n3\n4\nSigned-off-by: a\n\nHoldfast-Record: 5f3a\n");
}

static void is_cleaned_up(void **state)
{
	struct hf_err err;
	char *message;

	(void)state;
	is_made("\n \n s  \t\n\n\n\n# kept\r\n\n", " s\n\n# kept\n\nHoldfast-Record: 5f3a\n");
	assert_status(HF_OK, hf_commit_message_make("s", plain, NULL, &message, &err), &err);
	assert_string_equal(message, "s\n");
	free(message);
	assert_status(HF_DATA, hf_commit_message_make(" \n\t\n", plain, trailer, &message, &err),
		      &err);
	assert_status(HF_DATA, hf_commit_message_make("", plain, NULL, &message, &err), &err);
}

static void is_found_only_as_a_trailer(void **state)
{
	(void)state;
	assert_true(hf_commit_message_has("s\n\nb\n\nKey: v\nHoldfast-Record: 5f3a", trailer));
	assert_false(hf_commit_message_has("Holdfast-Record: 5f3a\n", trailer));
	assert_false(hf_commit_message_has("s\n\nHoldfast-Record: 5f3a\n\nmore\n", trailer));
	assert_false(hf_commit_message_has("s\n\nHoldfast-Record: 5f3a4\n", trailer));
	assert_false(hf_commit_message_has("s\n\nNo-Holdfast-Record: 5f3a\n", trailer));
}

/* The same as Git's own tools, where they are there. */
static void git_does_the_same(void **state)
{
	static const char *const texts[] = {
		"s",
		"s\n\nKey: v",
		"s\n\nb\nc: d\n",
		"s\n\n\n\nb  \n\n",
		"s\n\na b: c\n",
		"s\n\nSigned-off-by: x\nwords",
	};
	char theirs[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		FILE *out;
		size_t n;

		put_file("text", texts[i]);
		out = popen("git stripspace <text | "
			    "git interpret-trailers --trailer 'Holdfast-Record: 5f3a'",
			    "r");
		n = fread(theirs, 1, sizeof(theirs) - 1, out);
		theirs[n] = '\0';
		assert_int_equal(pclose(out), 0);
		is_made(texts[i], theirs);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_trailer_gets_its_paragraph),
	cmocka_unit_test(a_trailer_joins_others),
	cmocka_unit_test(is_cleaned_up),
	cmocka_unit_test(is_found_only_as_a_trailer),
	cmocka_unit_test(git_does_the_same),
};
HF_TEST_MAIN(tests)
