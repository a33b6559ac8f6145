/* SPDX-License-Identifier: ISC */
#ifndef HF_HASH_H
#define HF_HASH_H

/*
 * A hash for names and identities: 64-bit FNV-1a. Values are stored on disk, so it never changes.
 * It resists no attack.
 */

#include <stddef.h>
#include <stdint.h>

#define HF_HASH_START UINT64_C(0xcbf29ce484222325)

/* Return the hash h, continued with these bytes. */
uint64_t hf_hash(uint64_t h, const void *data, size_t size);

/* The same for a string, without its NUL. */
uint64_t hf_hash_text(uint64_t h, const char *text);

#endif
