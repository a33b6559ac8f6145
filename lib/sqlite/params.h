/* SPDX-License-Identifier: ISC */
#ifndef HF_PARAMS_H
#define HF_PARAMS_H

/*
 * Values for the parameters of a script: bound, never pasted into the SQL, and typed, since SQLite
 * compares by type ('5' = 5 is false).
 *
 *	NAME=V			text
 *	NAME:int=V		an integer of 64 bits
 *	NAME:real=V		a number, as strtod(3) reads it in the C locale
 *	NAME:blob=V		bytes, two hexadecimal digits each
 *	NAME:null		NULL
 *	NAME:file=PATH		text, the content of PATH
 *	NAME:blobfile=PATH	bytes, the content of PATH
 *
 * A value goes to :NAME, @NAME and $NAME; a NAME of 2 goes to ?2, or the second "?". A parameter
 * without a value, and a value that no statement took, are errors (SQLite ignores both).
 *
 * A file is read into memory when it is named. A file larger than SQLite's limit (1,000,000,000
 * bytes) is refused before it is read. Not thread-safe.
 */

#include "sqlite/connection.h"

struct hf_param;

struct hf_params {
	struct hf_param *list;
	size_t count;
};

/* Add the argument of -p. HF_USAGE: malformed, or the name was given before. HF_NOINPUT and others:
 * the file cannot be read. */
enum hf_status hf_params_add(struct hf_params *params, const char *text, struct hf_err *err);

/* Bind the values of a statement. HF_USAGE: one of its parameters has no value. */
enum hf_status hf_params_bind(struct hf_params *params, struct hf_sqlite_stmt *stmt,
			      struct hf_err *err);

/* Check after the last statement. HF_USAGE: a value was never bound. */
enum hf_status hf_params_check(const struct hf_params *params, struct hf_err *err);

/* Forget which values were bound, for a script that runs again. */
void hf_params_again(struct hf_params *params);

void hf_params_free(struct hf_params *params);

#endif
