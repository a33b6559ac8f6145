/* SPDX-License-Identifier: ISC */
#include "cli/json.h"

#include "hf_test.h"
#include <holdfast/clock.h>

static struct hf_json json;
static char *text;
static size_t size;

static void start(void)
{
	json = (struct hf_json){.out = open_memstream(&text, &size)};
	assert_non_null(json.out);
}

static void assert_written(const char *wanted)
{
	assert_int_equal(fclose(json.out), 0);
	assert_string_equal(text, wanted);
	free(text);
}

static void values_are_written_in_objects_and_arrays(void **state)
{
	(void)state;
	start();
	for (int i = 0; i < 2; i++) {
		hf_json_begin(&json, NULL, '{');
		hf_json_text(&json, "path", "x");
		hf_json_begin(&json, "pids", '[');
		hf_json_number(&json, NULL, -1);
		hf_json_number(&json, NULL, 2147483648);
		hf_json_begin(&json, NULL, '{');
		hf_json_end(&json);
		hf_json_end(&json);
		hf_json_flag(&json, "held", true);
		hf_json_null(&json, "none");
		hf_json_text(&json, "nothing", NULL);
		hf_json_seconds(&json, "waited", 1000123456);
		hf_json_seconds(&json, "left", HF_NEVER);
		hf_json_positive(&json, "pid", 7);
		hf_json_positive(&json, "owner", 0);
		hf_json_time(&json, "never", 0);
		hf_json_time(&json, "since", 86399);
		hf_json_lines(&json, "why", "a\nb\n");
		hf_json_lines(&json, "why not", NULL);
		hf_json_end(&json);
	}
#define OBJECT                                                                                     \
	"{\"path\":\"x\",\"pids\":[-1,2147483648,{}],\"held\":true,\"none\":null,"                 \
	"\"nothing\":null,\"waited\":1.000123,\"left\":null,\"pid\":7,\"owner\":null,\"never\":"   \
	"null,\"since\":\"1970-01-01T23:59:59Z\","                                                 \
	"\"why\":[\"a\",\"b\"],\"why not\":[]}\n"
	assert_written(OBJECT OBJECT);
}

static void any_bytes_are_a_text(void **state)
{
	static const struct {
		const char *text, *wanted;
	} texts[] = {
		{"", "[\"\"]\n"},
		{"\"\\/\x7f", "[\"\\\"\\\\/\\u007f\"]\n"},
		{"a\n\t\x1b[m", "[\"a\\u000a\\u0009\\u001b[m\"]\n"},
		{"\xc3\xa4\xe2\x82\xac", "[\"\xc3\xa4\xe2\x82\xac\"]\n"},
		{"\xf0\x9f\x94\x92", "[\"\xf0\x9f\x94\x92\"]\n"},
		{"\xff", "[\"\xef\xbf\xbd\"]\n"},
		/* cut off; a surrogate; too long; above U+10FFFF; C1 */
		{"\xe2\x82", "[\"\xef\xbf\xbd\xef\xbf\xbd\"]\n"},
		{"\xed\xa0\x80", "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]\n"},
		{"\xc0\xaf", "[\"\xef\xbf\xbd\xef\xbf\xbd\"]\n"},
		{"\xf4\x90\x80\x80", "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]\n"},
		{"\xc2\x9b", "[\"\xef\xbf\xbd\xef\xbf\xbd\"]\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		start();
		hf_json_begin(&json, NULL, '[');
		hf_json_text(&json, NULL, texts[i].text);
		hf_json_end(&json);
		assert_written(texts[i].wanted);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(values_are_written_in_objects_and_arrays),
	cmocka_unit_test(any_bytes_are_a_text),
};

HF_TEST_MAIN(tests)
