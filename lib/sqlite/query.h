/* SPDX-License-Identifier: ISC */
#ifndef HF_QUERY_H
#define HF_QUERY_H

/*
 * Statements on an open database (sqlite/db.h), each in one call.
 *
 *	hf_db_exec()		a statement without rows
 *	hf_db_int()		one number
 *	hf_db_first()		one row; finalize the statement
 *	hf_db_query()		rows; step through them and finalize the statement
 *	hf_sqlite_stmt_run()	the same statement many times, with other values
 *
 * Values are those of ?1, ?2 …, bound without a copy: they must live until the statement is reset
 * or finalized. The caller has begun a transaction for changes; nothing here begins one, waits or
 * tries again. On failure *stmt is NULL. Errors, crashes and threads: sqlite/connection.h.
 */

#include "sqlite/db.h"

/* Return the value of a text; NULL gives SQL NULL. */
struct hf_db_value hf_text_value(const char *text);

/* Prepare a statement and bind its values. */
enum hf_status hf_db_query(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			   int count, struct hf_sqlite_stmt **stmt, struct hf_err *err);

/* The same, stepped to its first row. HF_NO: there is no row. */
enum hf_status hf_db_first(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			   int count, struct hf_sqlite_stmt **stmt, struct hf_err *err);

/* Return the first column of the first row, as an integer. HF_NO: there is no row. */
enum hf_status hf_db_int(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			 int count, int64_t *result, struct hf_err *err);

/* Run a statement to its end and ignore its rows. changes (or NULL): the number of changed rows. */
enum hf_status hf_db_exec(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			  int count, int64_t *changes, struct hf_err *err);

/* Step a statement to its first row, and reset it. HF_OK: there is a row. HF_NO: there is none. */
enum hf_status hf_sqlite_stmt_run(struct hf_sqlite_stmt *stmt, const struct hf_db_value *values,
				  int count, struct hf_err *err);

#endif
