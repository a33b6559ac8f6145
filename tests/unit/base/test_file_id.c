/* SPDX-License-Identifier: ISC */
#include "base/file_id.h"

#include "hf_test.h"

static int make(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void a_file_is_the_same_under_another_name_and_by_its_path(void **state)
{
	int fd = make("a"), path;
	struct hf_file_id id = hf_file_id_of(fd), again;

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(rename("a", "b"), 0);
	again = hf_file_id_at(AT_FDCWD, "b");
	assert_int_equal(hf_file_id_compare(&id, &again), HF_SAME_YES);
	path = open("b", O_PATH | O_CLOEXEC);
	again = hf_file_id_of(path);
	assert_int_equal(hf_file_id_compare(&id, &again), HF_SAME_YES);
	close(path);
	close(fd);
	unlink("b");
}

static void a_new_file_with_the_same_number_is_another_one(void **state)
{
	bool reused = false;

	(void)state;
	for (int i = 0; i < 1000 && !reused; i++) {
		int fd = make("a");
		struct hf_file_id old = hf_file_id_of(fd), new;

		close(fd);
		unlink("a");
		fd = make("a");
		new = hf_file_id_of(fd);
		close(fd);
		unlink("a");
		reused = old.inode == new.inode;
		assert_int_equal(hf_file_id_compare(&old, &new), HF_SAME_NO);
	}
}

static void no_file_is_another_than_each_file(void **state)
{
	struct hf_file_id none = hf_file_id_at(AT_FDCWD, "absent"), file;
	int fd = make("a");

	(void)state;
	file = hf_file_id_of(fd);
	assert_int_equal(hf_file_id_compare(&none, &file), HF_SAME_NO);
	assert_int_equal(hf_file_id_compare(&none, &none), HF_SAME_YES);
	none = hf_file_id_of(-1);
	assert_int_equal(hf_file_id_compare(&none, &file), HF_SAME_NO);
	close(fd);
	unlink("a");
}

static void equal_numbers_without_a_witness_prove_nothing(void **state)
{
	struct hf_file_id a = {.inode = 7}, b = {.inode = 7}, c = {.inode = 8};

	(void)state;
	assert_int_equal(hf_file_id_compare(&a, &b), HF_SAME_UNSURE);
	assert_int_equal(hf_file_id_compare(&a, &c), HF_SAME_NO);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_file_is_the_same_under_another_name_and_by_its_path),
	cmocka_unit_test(a_new_file_with_the_same_number_is_another_one),
	cmocka_unit_test(no_file_is_another_than_each_file),
	cmocka_unit_test(equal_numbers_without_a_witness_prove_nothing),
};
HF_TEST_MAIN(tests)
