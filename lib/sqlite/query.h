/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_STMT_H
#define HF_DB_STMT_H

/*
 * Statements on a database that is open (sqlite/db.h), each in one call: what a room that keeps
 * tables of its own wants, in place of prepare, bind, step and finalize by hand.
 *
 *	hf_db_exec()	a statement without rows
 *	hf_db_int()	one number
 *	hf_db_first()	one row, to be read and finalized
 *	hf_db_query()	rows, to be stepped through and finalized
 *	hf_sqlite_stmt_run()	the same statement many times, with other values
 *
 * Values are those of ?1, ?2 …, bound without a copy (sqlite/connection.h): they must live until
 * the statement is reset or finalized. Whoever changes something has begun a transaction; nothing
 * here begins one, waits, or tries again. Where a function fails, *stmt is NULL, which finalize
 * allows.
 *
 * Errors, crashes and threads: sqlite/connection.h.
 */

#include "sqlite/db.h"

/* The first statement of sql (size bytes, and a NUL behind them), without values; *rest, if not
 * NULL, is what follows. */
enum hf_status hf_db_prepare(struct hf_db *db, const char *sql, size_t size,
			     struct hf_sqlite_stmt **stmt, const char **rest, struct hf_err *err);

/* A statement with its values, before its first row. */
enum hf_status hf_db_query(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			   int count, struct hf_sqlite_stmt **stmt, struct hf_err *err);

/* The same, at its first row. HF_NO: there is none. */
enum hf_status hf_db_first(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			   int count, struct hf_sqlite_stmt **stmt, struct hf_err *err);

/* The first column of the first row, as an integer. HF_NO: there is no row. */
enum hf_status hf_db_int(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			 int count, int64_t *result, struct hf_err *err);

/* Run to the end; rows are passed over. changes, if not NULL: how many rows it changed. */
enum hf_status hf_db_exec(struct hf_db *db, const char *sql, const struct hf_db_value *values,
			  int count, int64_t *changes, struct hf_err *err);

/* Run a statement as far as its first row, and reset it. HF_OK: it has one; HF_NO: none. */
enum hf_status hf_sqlite_stmt_run(struct hf_sqlite_stmt *stmt, const struct hf_db_value *values,
				  int count, struct hf_err *err);

int64_t hf_db_last_rowid(struct hf_db *db);

#endif
