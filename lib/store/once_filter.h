/* SPDX-License-Identifier: ISC */
#ifndef HF_ONCE_FILTER_H
#define HF_ONCE_FILTER_H

/*
 * A filter that passes on the lines that were never seen before.
 *
 * README.md has the rules store/F1 to F4. A line is marked first and then written; with
 * at_least_once it is written first. No lock is held while output is written.
 *
 * A line without its end is the key; the last line gets an end if it has none. Errors: those of
 * store/once.h, and HF_IO for input and output; filter->read and ->passed then say how far it came.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct hf_once_filter {
	int in, out;
	int64_t ttl;	 /* of the marks, nanoseconds or HF_NEVER */
	int64_t timeout; /* for the database, for each batch; or HF_NEVER */
	bool nul;	 /* lines end with NUL instead of newline */
	bool at_least_once;
	uint64_t read, passed; /* set: lines of the completed batches */
};

/* Filter until the end of input. */
enum hf_status hf_once_filter(struct hf_store *store, struct hf_once_filter *filter,
			      struct hf_err *err);

#endif
