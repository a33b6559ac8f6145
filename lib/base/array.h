/* SPDX-License-Identifier: ISC */
#ifndef HF_ARRAY_H
#define HF_ARRAY_H

/*
 * Arrays that grow by one element at a time.
 *
 *	struct item *items = NULL, *item;
 *	size_t count = 0;
 *
 *	item = hf_array_add(&items, &count, sizeof(*item));
 *
 * The capacity follows from the count (the next power of two, at least 4) and is not stored. The
 * caller may lower the count, and frees the array with free(3). Nothing else may allocate it.
 */

#include <stddef.h>

/* Add one element of this size, all zero, to the array of *count elements that the pointer at
 * `array` names. It may move. Return the element; NULL with ENOMEM, with nothing changed. */
void *hf_array_add(void *array, size_t *count, size_t size);

/* Add a copy of this item. */
void *hf_array_append(void *array, size_t *count, const void *item, size_t size);

#endif
