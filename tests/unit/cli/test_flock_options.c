/* SPDX-License-Identifier: ISC */
#include "cli/flock_options.h"

#include <errno.h>
#include <sys/file.h>

#include "hf_test.h"

static void sizes_as_util_linux_reads_them(void **state)
{
	static const struct {
		const char *text;
		int64_t size;
	} good[] = {
		{"0", 0},
		{"4096", 4096},
		{"1K", 1024},
		{"1k", 1024},
		{"1KiB", 1024},
		{"1KB", 1000},
		{"2M", 2 << 20},
		{"1.5M", 3 << 19},
		{"3GB", INT64_C(3000000000)},
		{"1T", INT64_C(1) << 40},
		{"1P", INT64_C(1) << 50},
		{"7E", INT64_C(7) << 60},
		{"0x10", 16},
		{"9223372036854775807", INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t size = -1;

		if (!hf_flock_size(good[i].text, &size) || size != good[i].size)
			fail_msg("'%s' is %lld", good[i].text, (long long)size);
	}
}

static void invalid_sizes_are_refused(void **state)
{
	static const char *const bad[] = {"",	"K",   "-1",  "+1",  " 1",    "1 ",  "1X",
					  "1KK", "1iB", "inf", "nan", "1Kib2", "1,5"};
	int64_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(hf_flock_size(bad[i], &size));
		assert_int_equal(errno, EINVAL);
	}
	assert_false(hf_flock_size("8E", &size));
	assert_int_equal(errno, ERANGE);
	assert_false(hf_flock_size("9223372036854775808", &size));
}

static void parse(struct hf_flock_request *r, const char *words)
{
	static char copy[256], *argv[16];
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	hf_flock_parse(r, argc, argv);
}

static void the_command_line(void **state)
{
	struct hf_flock_request r;

	(void)state;
	parse(&r, "flock -s -w 1.25 -E 9 l echo -s");
	assert_string_equal(r.file, "l");
	assert_int_equal(r.operation, LOCK_SH);
	assert_true(r.timed);
	assert_int_equal(r.timeout.tv_sec, 1);
	assert_int_equal(r.timeout.tv_usec, 250000);
	assert_int_equal(r.conflict, 9);
	assert_string_equal(r.command[1], "-s");
	parse(&r, "flock --s --co 5 --nonb 9");
	assert_null(r.file);
	assert_int_equal(r.fd, 9);
	assert_null(r.command);
	assert_true(r.nonblock);
	assert_int_equal(r.operation, LOCK_SH);
	parse(&r, "flock --sta 1K --le 2 --fd 7 --comm x");
	assert_int_equal(r.fd, 7);
	assert_true(r.fcntl);
	assert_int_equal(r.start, 1024);
	assert_int_equal(r.length, 2);
	assert_string_equal(r.command[2], "x");
	parse(&r, "flock --fcntl --fd 7 -- -c x");
	assert_string_equal(r.command[1], "-c");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(sizes_as_util_linux_reads_them),
	cmocka_unit_test(invalid_sizes_are_refused),
	cmocka_unit_test(the_command_line),
};

HF_TEST_MAIN(tests)
