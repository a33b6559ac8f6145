/* SPDX-License-Identifier: ISC */
#ifndef HF_RESULT_CODE_H
#define HF_RESULT_CODE_H

/*
 * The meaning of SQLite's result codes: can a retry help, which status and which advice belong to
 * it. Every result is classified here only (README.md has the classes).
 *
 *	HF_DB_RETRY	wait, and make the same call again; after a busy COMMIT the transaction
 *			stays
 *	HF_DB_RESTART	BUSY_SNAPSHOT: roll back and begin again
 *	HF_DB_NEVER	all others
 *
 * Needs sqlite3.h for the numbers, but not the library. Thread-safe.
 */

#include <holdfast/err.h>

enum hf_db_class { HF_DB_NEVER, HF_DB_RETRY, HF_DB_RESTART };

struct hf_db_code {
	int code; /* extended; or primary, for all its other extended codes; 0: any other */
	enum hf_db_class class;
	enum hf_status status;
	const char *why;       /* NULL: SQLite's own message suffices */
	const char *advice[3]; /* up to the first NULL */
};

/* Return the entry of a code, never NULL: an unknown code has HF_BUG. */
const struct hf_db_code *hf_db_code(int code);

#endif
