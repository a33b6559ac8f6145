/* SPDX-License-Identifier: ISC */
#include "base/stats_log.h"

#include <errno.h>
#include <limits.h>
#include <sys/resource.h>

#include "hf_test.h"

static struct hf_stats_line line;

static bool parse(const char *text)
{
	return hf_stats_parse(text, strlen(text), &line);
}

static void a_line_is_read_as_it_was_written(void **state)
{
	static const char *const names[] = {"/x", "/a b\n\t\\\"", "/\x01\x7f\xff\xc3\xa4",
					    "/%s \\x41"};
	char text[HF_STATS_LINE];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct hf_stats_line wanted = {.when = 1764067323412,
					       .tool = "lock-run",
					       .kind = "file",
					       .pid = 4711,
					       .outcome = HF_OUTCOME_TIMEOUT,
					       .contended = true,
					       .waited = 12,
					       .held = i ? 34 : -1,
					       .breaks = 2};
		size_t size;

		strcpy(wanted.lock, names[i]);
		size = hf_stats_format(&wanted, text);
		assert_int_equal(text[size - 1], '\n');
		assert_int_equal(strlen(text), size);
		assert_true(hf_stats_parse(text, size - 1, &line));
		assert_memory_equal(&line, &wanted, offsetof(struct hf_stats_line, lock));
		assert_string_equal(line.lock, wanted.lock);
	}
}

static void a_name_that_is_too_long_keeps_its_end(void **state)
{
	char text[HF_STATS_LINE];
	struct hf_stats_line whole = {.tool = "t", .kind = "k"};
	size_t size;

	(void)state;
	memset(whole.lock, ' ', PATH_MAX - 1);
	whole.lock[PATH_MAX - 2] = 'z';
	size = hf_stats_format(&whole, text);
	assert_true(size < HF_STATS_LINE);
	assert_true(strncmp(strrchr(text, ' ') + 1, "...", 3) == 0);
	assert_int_equal(text[size - 2], 'z');
}

static void an_invalid_line_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"holdfast-stats-1",
		"holdfast-stats-2 1 t 1 k taken 0 1 1 0 /x",
		"holdfast-stats-1 1 t 1 k taken 0 1 1 0",
		"holdfast-stats-1 1 t 1 k taken 0 1 1 0 ",
		"holdfast-stats-1 1 t 1 k taken 0 1 1 0 /x y",
		"holdfast-stats-1 -1 t 1 k taken 0 1 1 0 /x",
		"holdfast-stats-1 1  1 k taken 0 1 1 0 /x",
		"holdfast-stats-1 1 t 99999999999 k taken 0 1 1 0 /x",
		"holdfast-stats-1 1 t 1 k stolen 0 1 1 0 /x",
		"holdfast-stats-1 1 t 1 k taken 2 1 1 0 /x",
		"holdfast-stats-1 1 t 1 k taken 0 99999999999999999999 1 0 /x",
		"holdfast-stats-1 1 t 1 k taken 0 9223372036854775807 1 0 /x",
		"holdfast-stats-1 1 t 1 k taken 0 - 1 0 /x",
		"holdfast-stats-1 1 t 1 k taken 0 1 x 0 /x",
		"holdfast-stats-1 1 t 1 k taken 0 1 1 0 /x\\",
		"holdfast-stats-1 1 t 1 k taken 0 1 1 0 /x\\x0",
		"holdfast-stats-1 1 t 1 k taken 0 1 1 0 /x\\x00",
		"holdfast-stats-1 1 t 1 k taken 0 1 1 0 /x\t",
		"holdfast-stats-1 1 a-name-of-a-tool-that-is-too-long 1 k taken 0 1 1 0 /",
	};
	char longest[HF_STATS_LINE + 1];

	(void)state;
	assert_true(parse("holdfast-stats-1 1 t 1 k taken 0 1 1 0 /x"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(parse(bad[i]));
	assert_false(hf_stats_parse("holdfast-stats-1 1 t 1 k taken 0 1 1 0 /x\0y", 43, &line));
	memset(longest, 'x', sizeof(longest));
	assert_false(hf_stats_parse(longest, sizeof(longest), &line));
}

static void add(const struct hf_stats_sink *sink, int count)
{
	struct hf_stats stats = {.size = 0};

	for (int i = 0; i < count; i++)
		hf_stats_add(&stats, sink,
			     &(struct hf_stats_event){.lock = "/a/lock", .kind = "file"});
	hf_stats_flush(&stats, sink);
}

static int count_lines(const char *path)
{
	FILE *file = fopen(path, "r");
	char text[HF_STATS_LINE];
	int count = 0;

	assert_non_null(file);
	while (fgets(text, sizeof(text), file))
		count += hf_stats_parse(text, strlen(text) - 1, &line);
	fclose(file);
	return count;
}

/* base/S2, base/S4, base/S5 */
static void lines_go_to_the_file(void **state)
{
	struct hf_stats_sink *sink;

	(void)state;
	unsetenv(HF_STATS_ENV);
	assert_null(hf_stats_open());
	setenv(HF_STATS_ENV, "", 1);
	assert_null(hf_stats_open());
	setenv(HF_STATS_ENV, "stats", 1);
	sink = hf_stats_open();
	assert_non_null(sink);
	assert_int_equal(sink->path[0], '/');
	add(sink, 1);
	add(sink, 100); /* more than one write */
	assert_int_equal(count_lines("stats"), 101);
	assert_string_equal(line.tool, "test_stats_log");
	assert_int_equal(line.pid, getpid());
	free(sink);
}

static struct hf_stats_sink *to(const char *path)
{
	setenv(HF_STATS_ENV, path, 1);
	return hf_stats_open();
}

/* base/S1, base/S4 */
static void a_log_that_cannot_be_written_changes_nothing(void **state)
{
	struct rlimit limit, small;
	struct hf_stats_sink *sink;

	(void)state;
	put_file("target", "");
	assert_int_equal(symlink("target", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("dir", 0755), 0);
	for (size_t i = 0; i < 5; i++) {
		static const char *const paths[] = {"link", "fifo", "dir", "no/such", "/dev/full"};

		sink = to(paths[i]);
		errno = 4711;
		add(sink, 1);
		assert_int_equal(errno, 4711);
		free(sink);
	}
	assert_file("target", "");
	/* a limit would be a death by SIGXFSZ */
	sink = to("limited");
	add(sink, 1);
	getrlimit(RLIMIT_FSIZE, &limit);
	small = limit;
	small.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	add(sink, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(count_lines("limited"), 1);
	free(sink);
}

static void spellings_are_one_name(void **state)
{
	static const char *const spellings[] = {"lock", "./lock", "dir2/../lock", "alias"};
	char *first, *name;

	(void)state;
	put_file("lock", "");
	assert_int_equal(mkdir("dir2", 0755), 0);
	assert_int_equal(symlink("lock", "alias"), 0);
	first = hf_stats_name("lock");
	for (size_t i = 0; i < 4; i++) {
		name = hf_stats_name(spellings[i]);
		assert_string_equal(name, first);
		free(name);
	}
	unlink("lock");
	name = hf_stats_name("dir2/../lock");
	assert_string_equal(name, first);
	free(name);
	free(first);
	name = hf_stats_name("/absent");
	assert_string_equal(name, "/absent");
	free(name);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_line_is_read_as_it_was_written),
	cmocka_unit_test(a_name_that_is_too_long_keeps_its_end),
	cmocka_unit_test(an_invalid_line_is_refused),
	cmocka_unit_test(lines_go_to_the_file),
	cmocka_unit_test(a_log_that_cannot_be_written_changes_nothing),
	cmocka_unit_test(spellings_are_one_name),
};

HF_TEST_MAIN(tests)
