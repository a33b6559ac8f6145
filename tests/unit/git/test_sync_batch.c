/* SPDX-License-Identifier: ISC */
#include "git/sync_batch.h"

#include <errno.h>

#include "hf_test.h"

/* More than are synced at the same time. */
static void many_are_synced_each_once(void **state)
{
	struct hf_sync_batch due = {NULL, 0};
	struct hf_err err;
	char name[32];

	(void)state;
	for (int i = 0; i < 40; i++) {
		int fd;

		snprintf(name, sizeof(name), "file%d", i);
		fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		assert_status(HF_OK, hf_sync_batch_add(&due, fd, "a file", &err), &err);
		assert_status(HF_OK, hf_sync_batch_add(&due, fd, "a file", &err), &err);
		close(fd);
	}
	assert_int_equal(due.count, 40);
	assert_int_equal(hf_sync_batch_run(&due, &err), HF_OK);
	assert_int_equal(due.count, 0);
	assert_int_equal(hf_sync_batch_run(&due, &err), HF_OK);
}

/* And no sync is left after it. */
static void a_failed_sync_names_its_file(void **state)
{
	struct hf_sync_batch due = {NULL, 0};
	struct hf_err err;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(hf_sync_batch_add(&due, ends[0], "the pipe", &err), HF_OK);
	assert_int_not_equal(hf_sync_batch_run(&due, &err), HF_OK);
	assert_non_null(strstr(err.message, "cannot sync 'the pipe'"));
	assert_int_equal(err.errnum, EINVAL);
	assert_int_equal(due.count, 0);
	assert_int_not_equal(hf_sync_batch_add(&due, -1, "nothing", &err), HF_OK);
	close(ends[0]);
	close(ends[1]);
}

static void a_discarded_batch_closes_its_files(void **state)
{
	struct hf_sync_batch due = {NULL, 0};
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;
	struct hf_err err;

	(void)state;
	assert_int_equal(hf_sync_batch_add(&due, fd, ".", &err), HF_OK);
	hf_sync_batch_discard(&due);
	assert_int_equal(due.count, 0);
	next = dup(fd);
	assert_int_equal(next, fd + 1);
	close(next);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(many_are_synced_each_once),
	cmocka_unit_test(a_failed_sync_names_its_file),
	cmocka_unit_test(a_discarded_batch_closes_its_files),
};

HF_TEST_MAIN(tests)
