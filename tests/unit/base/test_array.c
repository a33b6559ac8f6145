/* SPDX-License-Identifier: ISC */
#include "base/array.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "hf_test.h"

/* So that an allocation can fail. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void an_array_grows_and_new_elements_are_zero(void **state)
{
	struct {
		int number;
		char text[9];
	} *items = NULL, *item;
	size_t count = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		item = hf_array_add(&items, &count, sizeof(*item));
		assert_non_null(item);
		assert_ptr_equal(item, &items[i]);
		assert_int_equal(count, i + 1);
		assert_int_equal(item->number, 0);
		assert_string_equal(item->text, "");
		item->number = i;
		memset(item->text, 'x', sizeof(item->text));
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(items[i].number, i);
	free(items);
}

static void the_count_may_be_lowered(void **state)
{
	size_t count = 0;
	int *items = NULL;

	(void)state;
	for (size_t from = 0; from < 20; from++) {
		count = from < count ? from : count;
		for (int i = (int)count; i < 20; i++)
			assert_non_null(hf_array_append(&items, &count, &i, sizeof(i)));
		for (size_t i = 0; i < 20; i++)
			assert_int_equal(items[i], i);
	}
	free(items);
}

static void a_failure_changes_nothing(void **state)
{
	size_t count = 0;
	char *items = NULL, *before;

	(void)state;
	assert_null(hf_array_add(&items, &count, SIZE_MAX / 2));
	assert_int_equal(errno, ENOMEM);
	assert_null(items);
	assert_int_equal(count, 0);
	for (int i = 0; i < 4; i++)
		*(char *)hf_array_add(&items, &count, 1) = (char)i;
	before = items;
	assert_null(hf_array_add(&items, &count, SIZE_MAX / 2));
	assert_ptr_equal(items, before);
	assert_int_equal(count, 4);
	assert_int_equal(items[3], 3);
	free(items);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_array_grows_and_new_elements_are_zero),
	cmocka_unit_test(the_count_may_be_lowered),
	cmocka_unit_test(a_failure_changes_nothing),
};

HF_TEST_MAIN(tests)
