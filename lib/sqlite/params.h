/* SPDX-License-Identifier: ISC */
#ifndef HF_PARAMS_H
#define HF_PARAMS_H

/*
 * Values for the parameters of a script: bound, never pasted into the SQL, and with a type, since
 * SQLite compares by type ('5' = 5 is false).
 *
 *	NAME=V			text
 *	NAME:int=V		a whole number of 64 bits
 *	NAME:real=V		a number, as strtod(3) reads it in the C locale
 *	NAME:blob=V		bytes, two hexadecimal digits each
 *	NAME:null		NULL
 *	NAME:file=PATH		text, the content of PATH
 *	NAME:blobfile=PATH	bytes, the content of PATH
 *
 * A value goes to :NAME, @NAME and $NAME, and NAME may be a number: 2 goes to ?2, or the second
 * "?". Both directions are checked: a parameter without a value, and a value that no statement
 * took, are mistakes, and SQLite would pass over both. (Where a parameter occurs in several
 * statements each gets the value.)
 *
 * A file is read into memory when it is named: as the value is bound, so it stays. What is larger
 * than SQLite's values can be (1,000,000,000 bytes) is refused before it is read. Not thread-safe.
 */

#include "sqlite/connection.h"

struct hf_param;

struct hf_params {
	struct hf_param *list;
	size_t count;
};

/* Add what -p said. HF_USAGE: it is not of that form, or a name for the second time; HF_NOINPUT and
 * others: the file cannot be read. */
enum hf_status hf_params_add(struct hf_params *params, const char *text, struct hf_err *err);

/* Give a statement its values. HF_USAGE: there is none for one of its parameters. */
enum hf_status hf_params_bind(struct hf_params *params, struct hf_sqlite_stmt *stmt,
			      struct hf_err *err);

/* After the last statement. HF_USAGE: a value was bound nowhere. */
enum hf_status hf_params_check(const struct hf_params *params, struct hf_err *err);

/* As if nothing had been bound yet: for a script that is run again. */
void hf_params_again(struct hf_params *params);

void hf_params_free(struct hf_params *params);

#endif
