/* SPDX-License-Identifier: ISC */
#include <holdfast/input.h>

#include "hf_test.h"

static int input_of(const char *text, size_t size)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], text, size), (ssize_t)size);
	close(fds[1]);
	return fds[0];
}

static void a_small_record_is_in_memory(void **state)
{
	struct hf_append_record record;
	struct hf_err err;
	int in = input_of("a\0b", 3);

	(void)state;
	assert_status(HF_OK, hf_append_record_read(&record, in, "f", &err), &err);
	assert_int_equal(record.size, 3);
	assert_memory_equal(record.data, "a\0b", 3);
	hf_append_record_free(&record);
	close(in);
}

static void a_large_record_is_in_a_file(void **state)
{
	size_t size = HF_APPEND_RECORD_SMALL * 3 + 17;
	char *text = malloc(size), *back = malloc(size);
	struct hf_append_record record;
	struct hf_err err;
	int in;

	(void)state;
	for (size_t i = 0; i < size; i++)
		text[i] = (char)(i * 31 + i / 251);
	put_file("large", "");
	in = open("large", O_RDWR);
	assert_int_equal(write(in, text, size), (ssize_t)size);
	lseek(in, 0, SEEK_SET);
	assert_status(HF_OK, hf_append_record_read(&record, in, "f", &err), &err);
	assert_null(record.data);
	assert_int_equal(record.size, size);
	assert_int_equal(pread(record.fd, back, size, (off_t)record.offset), (ssize_t)size);
	assert_memory_equal(back, text, size);
	hf_append_record_free(&record);
	close(in);
	free(text);
	free(back);
}

/* Until the process sleeps, or has ended. */
static void await_sleep(pid_t pid)
{
	char path[40], state = 'R';

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	while (state == 'R' || state == 'D') {
		FILE *f = fopen(path, "re");

		if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = 'X';
		if (f)
			fclose(f);
	}
}

/* Two pieces, each when the reader waits for it, into a pipe that does not wait by itself. */
static int input_that_does_not_wait(void)
{
	int fds[2];
	pid_t reader = getpid();

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	if (fork() == 0) {
		close(fds[0]);
		await_sleep(reader);
		if (write(fds[1], "one\n", 4) != 4)
			_exit(1);
		await_sleep(reader);
		_exit(write(fds[1], "two\n", 4) != 4);
	}
	close(fds[1]);
	return fds[0];
}

static void input_that_does_not_wait_is_waited_for(void **state)
{
	struct hf_lines lines = {.in = input_that_does_not_wait()};
	struct hf_append_record record;
	struct hf_err err;
	uint64_t size = 0;
	int in = input_that_does_not_wait();

	(void)state;
	assert_status(HF_OK, hf_append_record_read(&record, in, "f", &err), &err);
	assert_int_equal(record.size, 8);
	hf_append_record_free(&record);
	close(in);
	for (enum hf_status status; (status = hf_lines_next(&lines, &record, &err)) != HF_NO;) {
		assert_status(HF_OK, status, &err);
		size += record.size;
	}
	assert_int_equal(size, 8);
	hf_lines_free(&lines);
	close(lines.in);
	while (wait(NULL) > 0)
		;
}

static void closed_input_is_not_an_empty_record(void **state)
{
	struct hf_append_record record;
	struct hf_lines lines = {.in = 500};
	struct hf_err err;

	(void)state;
	assert_status(HF_NOINPUT, hf_append_record_read(&record, 500, "f", &err), &err);
	assert_string_equal(err.message, "standard input is closed");
	assert_status(HF_NOINPUT, hf_lines_next(&lines, &record, &err), &err);
	assert_string_equal(err.message, "standard input is closed");
	hf_lines_free(&lines);
}

static void lines_come_together(void **state)
{
	struct hf_lines lines = {.in = input_of("a\nb\nc", 5)};
	struct hf_append_record record;
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_lines_next(&lines, &record, &err), &err);
	assert_int_equal(record.size, 6);
	assert_memory_equal(record.data, "a\nb\nc\n", 6);
	assert_status(HF_NO, hf_lines_next(&lines, &record, &err), &err);
	hf_lines_free(&lines);
	close(lines.in);
}

static void lines_come_as_they_are_written(void **state)
{
	struct hf_append_record record;
	struct hf_err err;
	int fds[2];
	struct hf_lines lines;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	lines = (struct hf_lines){.in = fds[0]};
	assert_int_equal(write(fds[1], "one\nhal", 7), 7);
	assert_status(HF_OK, hf_lines_next(&lines, &record, &err), &err);
	assert_int_equal(record.size, 4);
	assert_memory_equal(record.data, "one\n", 4);
	assert_int_equal(write(fds[1], "f\n", 2), 2);
	assert_status(HF_OK, hf_lines_next(&lines, &record, &err), &err);
	assert_int_equal(record.size, 5);
	assert_memory_equal(record.data, "half\n", 5);
	close(fds[1]);
	assert_status(HF_NO, hf_lines_next(&lines, &record, &err), &err);
	hf_lines_free(&lines);
	close(fds[0]);
}

static void a_line_longer_than_the_buffer(void **state)
{
	size_t size = 200000;
	char *text = malloc(size);
	struct hf_append_record record;
	struct hf_lines lines;
	struct hf_err err;
	int in;

	(void)state;
	memset(text, 'x', size);
	put_file("long", "");
	in = open("long", O_RDWR);
	assert_int_equal(write(in, text, size), (ssize_t)size);
	lseek(in, 0, SEEK_SET);
	lines = (struct hf_lines){.in = in};
	assert_status(HF_OK, hf_lines_next(&lines, &record, &err), &err);
	assert_int_equal(record.size, size + 1);
	assert_memory_equal(record.data, text, size);
	assert_status(HF_NO, hf_lines_next(&lines, &record, &err), &err);
	hf_lines_free(&lines);
	close(in);
	free(text);
}

static void no_lines_at_all(void **state)
{
	struct hf_lines lines = {.in = input_of("", 0)};
	struct hf_append_record record;
	struct hf_err err;

	(void)state;
	assert_status(HF_NO, hf_lines_next(&lines, &record, &err), &err);
	hf_lines_free(&lines);
	close(lines.in);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_small_record_is_in_memory),
	cmocka_unit_test(a_large_record_is_in_a_file),
	cmocka_unit_test(input_that_does_not_wait_is_waited_for),
	cmocka_unit_test(closed_input_is_not_an_empty_record),
	cmocka_unit_test(lines_come_together),
	cmocka_unit_test(lines_come_as_they_are_written),
	cmocka_unit_test(a_line_longer_than_the_buffer),
	cmocka_unit_test(no_lines_at_all),
};
HF_TEST_MAIN(tests)
