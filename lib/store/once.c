/* SPDX-License-Identifier: ISC */
#include "store/once.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/clock.h>
#include <holdfast/lockset.h>

/* keys that one step of a purge examines */
enum { PURGE_STEP = 10000, PURGE_FEW = 8 };

/* The index contains only marks that expire. 9223372036854775807 is HF_STORE_NEVER. */
static const char *const once_sql[] = {
	"CREATE TABLE holdfast_once("
	"key BLOB PRIMARY KEY NOT NULL, marked INTEGER NOT NULL, expires INTEGER NOT NULL"
	") WITHOUT ROWID",
	"CREATE INDEX holdfast_once_expires ON holdfast_once(expires)"
	" WHERE expires < 9223372036854775807",
	NULL,
};
static const struct hf_store_table once_table = {"holdfast_once", once_sql};
static const struct hf_store_table *const tables[] = {&once_table, NULL};

/* Changes a row if ?1 was not marked. */
static const char mark_sql[] =
	"INSERT INTO holdfast_once(key, marked, expires) VALUES(?1, ?2, ?3)"
	" ON CONFLICT(key) DO UPDATE SET marked = excluded.marked, expires = excluded.expires"
	" WHERE holdfast_once.expires <= excluded.marked";
static const char look_sql[] = "SELECT 1 FROM holdfast_once WHERE key = ?1 AND expires > ?2";

/* HF_OK: the statement returns a row for this key. */
static enum hf_status step_for_key(struct hf_sqlite_stmt *stmt, const struct hf_bytes *key,
				   int64_t now, int64_t expires, struct hf_err *err)
{
	const struct hf_db_value values[] = {hf_blob_value(key), HF_DB_INT_VALUE(now),
					     HF_DB_INT_VALUE(expires)};

	return hf_sqlite_stmt_run(stmt, values, hf_sqlite_stmt_parameters(stmt), err);
}

/* In a transaction: check that every key is marked (wanted), or none is (!wanted). */
static enum hf_status check_marks(struct hf_store *store, const struct hf_bytes *keys, size_t count,
				  bool wanted, struct hf_err *err)
{
	enum hf_status status, found;
	int64_t now = hf_store_now();
	struct hf_sqlite_stmt *stmt;

	status = hf_db_query(store->db, look_sql, NULL, 0, &stmt, err);
	if (status != HF_OK)
		return status;
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		found = step_for_key(stmt, &keys[i], now, 0, err);
		if (found != HF_OK && found != HF_NO)
			status = found;
		else if ((found == HF_OK) != wanted)
			status = HF_NO;
	}
	hf_sqlite_stmt_finalize(stmt);
	return status;
}

/* Remove at most `max` expired marks. */
static enum hf_status purge_some(struct hf_store *store, int64_t max, struct hf_err *err)
{
	const struct hf_db_value values[] = {HF_DB_INT_VALUE(hf_store_now()),
					     HF_DB_INT_VALUE(max)};

	return hf_db_exec(store->db,
			  "DELETE FROM holdfast_once WHERE key IN (SELECT key FROM holdfast_once"
			  " WHERE expires <= ?1 AND expires < 9223372036854775807 LIMIT ?2)",
			  values, 2, NULL, err);
}

/* In a transaction: mark all keys. first (or NULL): which ones were not marked. */
static enum hf_status mark_all(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			       int64_t ttl, bool *first, struct hf_err *err)
{
	int64_t now = hf_store_now();
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = hf_db_query(store->db, mark_sql, NULL, 0, &stmt, err);

	if (status != HF_OK)
		return status;
	for (size_t i = 0; i < count && (status == HF_OK || status == HF_NO); i++) {
		status = step_for_key(stmt, &keys[i], now, hf_store_expiry(now, ttl), err);
		if (first)
			first[i] = hf_sqlite_changes(hf_db_sql(store->db)) > 0;
	}
	hf_sqlite_stmt_finalize(stmt);
	if (status == HF_OK || status == HF_NO)
		status = purge_some(store, 2 * (int64_t)count + PURGE_FEW, err);
	return status;
}

/* Begin a transaction in which no command of these keys runs, except under our own lock (store/O6).
 * On failure no transaction is open. */
static enum hf_status begin_unlocked(struct hf_store *store, struct hf_once_lock *lock,
				     const struct hf_bytes *keys, size_t count, struct hf_err *err)
{
	for (;;) {
		enum hf_status status = hf_store_begin(store, tables, err);
		size_t i = 0;

		if (status != HF_OK)
			return status;
		hf_once_lock_look(lock, store);
		while (i < count && !hf_once_lock_is_foreign(lock, &keys[i]))
			i++;
		if (i == count)
			return HF_OK;
		hf_db_rollback(store->db);
		status = hf_once_lock_take(lock, store, keys, count, true, &store->wait, err);
		if (status != HF_OK)
			return status;
	}
}

enum hf_status hf_once_mark(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			    int64_t ttl, struct hf_err *err)
{
	struct hf_once_lock lock = {.probe = -1};
	enum hf_status status = hf_store_check_keys(keys, count, "key", err);

	if (status == HF_OK)
		status = begin_unlocked(store, &lock, keys, count, err);
	if (status == HF_OK) {
		status = check_marks(store, keys, count, false, err);
		if (status == HF_OK)
			status = mark_all(store, keys, count, ttl, NULL, err);
		status = hf_store_end(store, status, err);
	}
	hf_once_lock_release(&lock);
	return status;
}

enum hf_status hf_once_mark_each(struct hf_store *store, const struct hf_bytes *keys, size_t count,
				 int64_t ttl, bool keep, bool *first, struct hf_err *err)
{
	struct hf_once_lock lock = {.probe = -1};
	enum hf_status status = begin_unlocked(store, &lock, keys, count, err);

	if (status == HF_OK) {
		status = mark_all(store, keys, count, ttl, first, err);
		if (keep)
			status = hf_store_end(store, status, err);
		else
			hf_db_rollback(store->db);
	}
	hf_once_lock_release(&lock);
	return status;
}

enum hf_status hf_once_check(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			     struct hf_err *err)
{
	enum hf_status status = hf_store_check_keys(keys, count, "key", err);

	if (status == HF_OK)
		status = hf_store_begin_read(store, &once_table, err);
	if (status != HF_OK)
		return status;
	return hf_store_end(store, check_marks(store, keys, count, true, err), err);
}

enum hf_status hf_once_forget(struct hf_store *store, const struct hf_bytes *keys, size_t count,
			      struct hf_err *err)
{
	int64_t all = 0, one;
	enum hf_status status = hf_store_check_keys(keys, count, "key", err);

	if (status == HF_OK)
		status = hf_store_begin(store, tables, err);
	if (status != HF_OK)
		return status;
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		const struct hf_db_value values[] = {hf_blob_value(&keys[i]),
						     HF_DB_INT_VALUE(hf_store_now())};

		status = hf_db_exec(store->db,
				    "DELETE FROM holdfast_once WHERE key = ?1 AND expires > ?2",
				    values, 2, &one, err);
		if (status == HF_OK)
			all += one;
	}
	if (status == HF_OK && !all)
		status = HF_NO;
	return hf_store_end(store, status, err);
}

enum hf_status hf_once_count(struct hf_store *store, int64_t *count, struct hf_err *err)
{
	enum hf_status status = hf_store_begin_read(store, &once_table, err);
	struct hf_db_value now = HF_DB_INT_VALUE(hf_store_now());

	*count = 0;
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	status = hf_db_int(store->db, "SELECT count(*) FROM holdfast_once WHERE expires > ?1", &now,
			   1, count, err);
	return hf_store_end(store, status, err);
}

/* Return the key that is PURGE_STEP keys after *at; the caller frees it. NULL data: there are
 * fewer. */
static enum hf_status next_step(struct hf_store *store, const struct hf_bytes *at,
				struct hf_bytes *next, struct hf_err *err)
{
	const struct hf_db_value values[] = {hf_blob_value(at), HF_DB_INT_VALUE(PURGE_STEP)};
	struct hf_db_value key;
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = hf_db_first(store->db,
					    "SELECT key FROM holdfast_once WHERE key >= ?1"
					    " ORDER BY key LIMIT 1 OFFSET ?2",
					    values, 2, &stmt, err);
	void *copy;

	*next = (struct hf_bytes){0};
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	key = hf_sqlite_stmt_column(stmt, 0);
	copy = malloc(key.size + 1);
	if (copy)
		*next = (struct hf_bytes){memcpy(copy, key.data, key.size), key.size};
	else
		status = hf_fail_errno(err, "cannot purge '%s'", store->path);
	hf_sqlite_stmt_finalize(stmt);
	return status;
}

/* In a transaction: purge PURGE_STEP keys from *at on, and advance it. */
static enum hf_status purge_step(struct hf_store *store, struct hf_bytes *at, int64_t older_than,
				 int64_t *removed, struct hf_err *err)
{
	int64_t now = hf_store_now();
	const struct hf_db_value values[] = {
		hf_blob_value(at), HF_DB_INT_VALUE(now),
		HF_DB_INT_VALUE(older_than == HF_NEVER ? INT64_MIN : now - older_than / 1000),
		HF_DB_INT_VALUE(PURGE_STEP)};
	struct hf_bytes next;
	enum hf_status status = next_step(store, at, &next, err);

	if (status != HF_OK)
		return status;
	status = hf_db_exec(store->db,
			    "DELETE FROM holdfast_once WHERE (expires <= ?2 OR marked <= ?3)"
			    " AND key IN (SELECT key FROM holdfast_once WHERE key >= ?1"
			    " ORDER BY key LIMIT ?4)",
			    values, 4, removed, err);
	free((void *)at->data);
	*at = next;
	return status;
}

enum hf_status hf_once_purge(struct hf_store *store, int64_t older_than, int64_t *removed,
			     struct hf_err *err)
{
	struct hf_bytes at = {.data = calloc(1, 1)};
	enum hf_status status = HF_OK;
	int64_t step;

	for (*removed = 0; status == HF_OK && at.data; *removed += step) {
		step = 0;
		status = hf_store_begin(store, tables, err);
		if (status != HF_OK)
			break;
		status = hf_store_end(store, purge_step(store, &at, older_than, &step, err), err);
	}
	free((void *)at.data);
	return status == HF_NO ? HF_OK : status; /* no table */
}

static enum hf_status check_unmarked(struct hf_store *store, const struct hf_bytes *keys,
				     size_t count, struct hf_err *err)
{
	enum hf_status status = hf_store_begin(store, tables, err);

	if (status != HF_OK)
		return status;
	return hf_store_end(store, check_marks(store, keys, count, false, err), err);
}

enum hf_status hf_once_claim(struct hf_once_claim *claim, struct hf_store *store,
			     const struct hf_bytes *keys, size_t count, struct hf_err *err)
{
	enum hf_status status = hf_store_check_keys(keys, count, "key", err);

	*claim = (struct hf_once_claim){.lock.probe = -1, .keys = keys, .count = count};
	/* the lock file is beside the database, so the database must exist */
	if (status == HF_OK && !store->real)
		status = check_unmarked(store, keys, count, err);
	if (status == HF_OK)
		status = hf_once_lock_take(&claim->lock, store, keys, count, false, &store->wait,
					   err);
	/* exclude markers: one of them may have checked the byte already */
	if (status == HF_OK)
		status = check_unmarked(store, keys, count, err);
	if (status != HF_OK)
		hf_once_claim_release(claim);
	return status;
}

size_t hf_once_claim_fds(const struct hf_once_claim *claim, const int **fds)
{
	return hf_lockset_fds(claim->lock.set, fds);
}

enum hf_status hf_once_claim_mark(struct hf_once_claim *claim, struct hf_store *store, int64_t ttl,
				  struct hf_err *err)
{
	enum hf_status status = hf_store_begin(store, tables, err);

	if (status != HF_OK)
		return status;
	return hf_store_end(store, mark_all(store, claim->keys, claim->count, ttl, NULL, err), err);
}

void hf_once_claim_release(struct hf_once_claim *claim)
{
	hf_once_lock_release(&claim->lock);
}
