/* SPDX-License-Identifier: ISC */
#ifndef HF_ONCE_FILTER_H
#define HF_ONCE_FILTER_H

/*
 * A filter that passes on the lines never seen before.
 *
 *	F1  Of all filters on one store, and of all who mark, one passes a line on: the one that
 *	    marked it (store/once.h, O1).
 *	F2  A line leaves after the commit of its mark. Whoever dies in between has lost it, and
 *	    nobody gets it twice. With at_least_once it is the other way round: lines are looked at,
 *	    written, and then marked. None is lost; those of a batch that was not marked may come
 *	    again, and two filters at one time may both pass a line on.
 *	F3  Order is kept, and of equal lines the first is passed on.
 *	F4  Nothing is held while output is written: a reader that stands still keeps nobody else
 *	    from the database.
 *
 * Lines are taken as they come (holdfast/input.h): what a slow writer writes is passed on at once,
 * what a fast one writes is marked in batches of up to a megabyte, a transaction each. A line is
 * the key without what ends it; the last one gets its end if it has none.
 *
 * Errors: of store/once.h, and HF_IO where input or output fails; then filter->read and ->passed
 * tell how far it came.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct hf_once_filter {
	int in, out;
	int64_t ttl;	 /* of the marks, nanoseconds or HF_NEVER */
	int64_t timeout; /* to wait for the database, anew for each batch; or HF_NEVER */
	bool nul;	 /* lines end in NUL, not in newline */
	bool at_least_once;
	uint64_t read, passed; /* lines, of the batches that are done; set */
};

/* Until the end of the input. */
enum hf_status hf_once_filter(struct hf_store *store, struct hf_once_filter *filter,
			      struct hf_err *err);

#endif
