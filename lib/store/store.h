/* SPDX-License-Identifier: ISC */
#ifndef HF_STORE_H
#define HF_STORE_H

/*
 * A store: tables of holdfast in a SQLite database, beside other tables.
 *
 *	hf_store_open()
 *	hf_store_begin(), statements (sqlite/db.h), hf_store_end()	for each change
 *	hf_store_begin_read(), statements, hf_store_end()		for a snapshot
 *	hf_store_close()
 *
 * README.md has the rules store/S1 to S5. Errors: those of sqlite/db.h; HF_DATA: a table has
 * another definition, or the database belongs to another program. A crash leaves the last committed
 * transaction. One thread of one process: open the store after a fork.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sqlite/query.h"
#include <holdfast/err.h>
#include <holdfast/lock_wait.h>

/* "never" as a point in time; HF_NEVER is a duration */
#define HF_STORE_NEVER INT64_MAX

/* Bytes: a key, a name, a payload. */
struct hf_bytes {
	const void *data;
	size_t size;
};

struct hf_store {
	struct hf_db *db;  /* NULL: opened for reading, and the database is absent */
	const char *path;  /* as the user wrote it, for messages; borrowed */
	char *real;	   /* the file's real path; NULL before the first transaction */
	struct hf_wait wait;
	/* Called when a transaction that changes something has begun; before it, a process that
	 * dies has changed nothing. Or NULL. */
	void (*begun)(void);
};

/* The statements that make a table: "CREATE TABLE name(…", then its indexes. */
struct hf_store_table {
	const char *name;
	const char *const *sql; /* NULL-terminated */
};

extern const struct hf_store_table hf_store_tokens;

struct hf_store_options {
	bool read;	     /* nothing will be written */
	bool existing;	     /* do not make an absent database: it is an empty store */
	struct hf_wait wait; /* for every transaction, until hf_store_wait() */
	const char *backoff; /* --backoff, or NULL */
};

enum hf_status hf_store_open(struct hf_store *store, const char *path,
			     const struct hf_store_options *options, struct hf_err *err);
void hf_store_close(struct hf_store *store);

/* Limit the waits of all later transactions together, from now on (nanoseconds). */
void hf_store_wait(struct hf_store *store, int64_t limit);

/* Refuse empty keys; what is "key" or "name". HF_USAGE. */
enum hf_status hf_store_check_keys(const struct hf_bytes *keys, size_t count, const char *what,
				   struct hf_err *err);

/* Begin a transaction that changes these tables (NULL-terminated), and make those that are absent.
 * HF_NO: the database is absent. On failure no transaction is open. End it with hf_store_end(). */
enum hf_status hf_store_begin(struct hf_store *store, const struct hf_store_table *const *tables,
			      struct hf_err *err);

/* Begin a snapshot. HF_NO: the table does not exist, and no transaction is open. */
enum hf_status hf_store_begin_read(struct hf_store *store, const struct hf_store_table *table,
				   struct hf_err *err);

/* Commit if status is HF_OK or HF_NO, otherwise roll back. Return the status of both. */
enum hf_status hf_store_end(struct hf_store *store, enum hf_status status, struct hf_err *err);

/* Return the time: microseconds of UTC since 1970. */
int64_t hf_store_now(void);

/* Return now + ttl (nanoseconds, > 0); HF_STORE_NEVER for HF_NEVER or a time too far away. */
int64_t hf_store_expiry(int64_t now, int64_t ttl);

/* Convert a time to an instant of hf_now()'s clock, not after the deadline. */
int64_t hf_store_instant(int64_t at, int64_t deadline);

/* Return the next fencing token, in a transaction with hf_store_tokens. */
enum hf_status hf_store_token(struct hf_store *store, int64_t *token, struct hf_err *err);

/* Format "'key'" for messages: printable, and cut if it is long. Return out. */
char *hf_store_name(char out[96], const struct hf_bytes *bytes);

static inline struct hf_db_value hf_blob_value(const struct hf_bytes *bytes)
{
	return HF_DB_BLOB_VALUE(bytes->data, bytes->size);
}

#endif
