/* SPDX-License-Identifier: ISC */
#include "base/hash.h"

#include <string.h>

uint64_t hf_hash(uint64_t h, const void *data, size_t size)
{
	const unsigned char *s = data;

	for (size_t i = 0; i < size; i++)
		h = (h ^ s[i]) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t hf_hash_text(uint64_t h, const char *text)
{
	return hf_hash(h, text, strlen(text));
}
