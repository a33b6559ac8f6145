/* SPDX-License-Identifier: ISC */
#include "sqlite/held_output.h"

#include "hf_test.h"

static struct hf_deferred box;
static struct hf_err err;

static off_t sent(void)
{
	int fd = open("sent", O_RDWR | O_CREAT | O_TRUNC, 0600);
	off_t size;

	assert_status(HF_OK, hf_deferred_flush(&box, fd, "sent", &err), &err);
	size = lseek(fd, 0, SEEK_END);
	close(fd);
	return size;
}

static void little_is_kept_in_memory(void **state)
{
	(void)state;
	hf_deferred_text(&box, "one ");
	hf_deferred_print(&box, "%d\n", 2);
	assert_int_equal(box.fd, 0);
	assert_int_equal(sent(), 6);
	assert_file("sent", "one 2\n");
	hf_deferred_clear(&box);
	assert_int_equal(sent(), 0);
}

static void much_goes_to_a_file_in_order(void **state)
{
	size_t large = (1 << 20) + 5;
	char *piece = malloc(large);
	char found[3] = "";
	int fd;

	(void)state;
	memset(piece, 'a', large);
	hf_deferred_text(&box, "x");
	hf_deferred_write(&box, piece, large);
	hf_deferred_text(&box, "y");
	hf_deferred_write(&box, piece, large - 10);
	hf_deferred_write(&box, piece, 20);
	hf_deferred_text(&box, "z");
	assert_true(box.fd > 0);
	assert_int_equal(sent(), 2 * large + 13);
	fd = open("sent", O_RDONLY);
	assert_int_equal(pread(fd, found, 2, 0), 2);
	assert_string_equal(found, "xa");
	assert_int_equal(pread(fd, found, 2, (off_t)large + 1), 2);
	assert_string_equal(found, "ya");
	assert_int_equal(pread(fd, found, 2, (off_t)(2 * large) + 11), 2);
	assert_string_equal(found, "az");
	close(fd);
	free(piece);
	hf_deferred_free(&box);
}

static void a_failure_is_reported_later(void **state)
{
	char *piece = calloc(1, 2 << 20);

	(void)state;
	setenv("TMPDIR", "/nonexistent", 1);
	hf_deferred_write(&box, piece, 2 << 20);
	hf_deferred_text(&box, "more");
	assert_status(HF_IO, hf_deferred_check(&box, &err), &err);
	assert_string_equal(err.message, "cannot keep the output: No such file or directory");
	assert_status(HF_IO, hf_deferred_flush(&box, 1, NULL, &err), &err);
	hf_deferred_clear(&box);
	assert_status(HF_OK, hf_deferred_check(&box, &err), &err);
	unsetenv("TMPDIR");
	free(piece);
	hf_deferred_free(&box);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(little_is_kept_in_memory),
	cmocka_unit_test(much_goes_to_a_file_in_order),
	cmocka_unit_test(a_failure_is_reported_later),
};
HF_TEST_MAIN(tests)
