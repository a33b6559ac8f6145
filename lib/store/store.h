/* SPDX-License-Identifier: ISC */
#ifndef HF_STORE_H
#define HF_STORE_H

/*
 * A store: tables of ours in a database, which may hold other stores and the user's own tables.
 *
 *	holdfast_once	marks (store/once.h)
 *	holdfast_lease	leases (store/lease.h)
 *	holdfast_job	jobs (store/queue.h)
 *	holdfast_token	one row: the last fencing token that was given out
 *
 *	S1  A table is ours exactly if its definition is the one that we would write, to the byte. A
 *	    database in which our name means something else is refused (HF_DATA), and nothing in it
 *	    is changed. A later version of the schema is another definition, and refused likewise.
 *	S2  Tables are made by the first who writes, in his transaction. In a database that says
 *	    whose it is (application_id) none are made: it belongs to another program.
 *	S3  Every change is one transaction of db.h's: BEGIN IMMEDIATE under the turnstile. Readers
 *	    have a snapshot, take no lock that a writer waits for, and make nothing: a database that
 *	    is not there, or has no table of ours, is an empty store.
 *	S4  Time is UTC in microseconds, by the wall clock, since it must mean the same to every
 *	    process on every boot. It is read after the wait for the database, never before. What
 *	    expires has expired when now >= expires.
 *	S5  A fencing token is greater than every one before it, of whatever table and name; the row
 *	    that counts them stays when all else is released, purged or deleted.
 *
 * A clock that is set forward ends a lease early, one that is set back prolongs it: by the step,
 * no more. Tokens keep what the lease protects: the resource refuses a token that is smaller than
 * one that it has seen.
 *
 * Nothing grows without bound: what has expired is removed a little at a time by those who write,
 * and its space used again. SQLite's log is checkpointed by who commits, under the turnstile.
 *
 * A crash at any instant leaves the last transaction that was committed. Errors are sqlite/db.h's;
 * HF_DATA as above. One struct hf_store belongs to one thread of one process: open it after a
 * fork, not before. In a build with faults (base/sys.h), HOLDFAST_FAULT_CLOCK=N is the time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sqlite/query.h"
#include <holdfast/err.h>
#include <holdfast/lock_wait.h>

/* "for ever", as a time; HF_NEVER, as a duration */
#define HF_STORE_NEVER INT64_MAX

/* Bytes: a key, a name, a payload. */
struct hf_bytes {
	const void *data;
	size_t size;
};

struct hf_store {
	struct hf_db *db;  /* NULL: to be read, and not there */
	const char *path;  /* as the user wrote it, for messages; borrowed */
	char *real;	   /* the file's own path; NULL: before the first transaction */
	struct hf_wait wait;
	/* NULL, or told when a transaction that will change something has begun: whoever dies
	 * before has changed nothing */
	void (*begun)(void);
};

/* Statements that make a table, the first "CREATE TABLE name(…", the others its indexes. */
struct hf_store_table {
	const char *name;
	const char *const *sql; /* NULL-terminated */
};

extern const struct hf_store_table hf_store_tokens;

struct hf_store_options {
	bool read;	     /* nothing will be written */
	bool existing;	     /* an absent database is not made: it is an empty store */
	struct hf_wait wait; /* for every transaction, until hf_store_wait() */
	const char *backoff; /* --backoff, or NULL */
};

enum hf_status hf_store_open(struct hf_store *store, const char *path,
			     const struct hf_store_options *options, struct hf_err *err);
void hf_store_close(struct hf_store *store);

/* Transactions to come may wait so long from now, all in all. */
void hf_store_wait(struct hf_store *store, int64_t limit);

/* Begin a transaction that changes these tables (NULL-terminated), and make the absent ones.
 * On failure none is open; HF_NO: the database is absent. Commit and rollback are sqlite/db.h's. */
enum hf_status hf_store_begin(struct hf_store *store, const struct hf_store_table *const *tables,
			      struct hf_err *err);

/* Begin a snapshot. HF_NO: the table is not there, and no transaction is open. */
enum hf_status hf_store_begin_read(struct hf_store *store, const struct hf_store_table *table,
				   struct hf_err *err);

/* Commit where status is HF_OK or HF_NO, roll back otherwise. The status of all of it. */
enum hf_status hf_store_end(struct hf_store *store, enum hf_status status, struct hf_err *err);

/* Microseconds of UTC since 1970. */
int64_t hf_store_now(void);

/* now + ttl (nanoseconds, > 0); HF_STORE_NEVER for HF_NEVER or what lies too far away. */
int64_t hf_store_expiry(int64_t now, int64_t ttl);

/* When will it be `at`, on hf_now()'s clock, if nobody sets the other? Not after the deadline. */
int64_t hf_store_instant(int64_t at, int64_t deadline);

/* The next fencing token, in a transaction with hf_store_tokens. */
enum hf_status hf_store_token(struct hf_store *store, int64_t *token, struct hf_err *err);

/* "'key'" for messages: printable, cut where it is long. Returns out. */
char *hf_store_name(char out[96], const struct hf_bytes *bytes);

static inline struct hf_db_value hf_blob_value(const struct hf_bytes *bytes)
{
	return HF_DB_BLOB_VALUE(bytes->data, bytes->size);
}

/* NULL for NULL. */
struct hf_db_value hf_text_value(const char *text);

#endif
