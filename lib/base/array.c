/* SPDX-License-Identifier: ISC */
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

enum { MIN_CAPACITY = 4 };

void *hf_array_add(void *array, size_t *count, size_t size)
{
	size_t old = *count;
	char *items;

	/* the address of a pointer of any type: only its bytes may be accessed */
	memcpy(&items, array, sizeof(items));
	if (!old || (old >= MIN_CAPACITY && !(old & (old - 1)))) {
		items = reallocarray(items, old ? 2 * old : MIN_CAPACITY, size);
		if (!items)
			return NULL;
		memcpy(array, &items, sizeof(items));
	}
	++*count;
	return memset(items + old * size, 0, size);
}

void *hf_array_append(void *array, size_t *count, const void *item, size_t size)
{
	void *added = hf_array_add(array, count, size);

	return added ? memcpy(added, item, size) : NULL;
}
