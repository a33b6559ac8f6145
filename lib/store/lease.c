/* SPDX-License-Identifier: ISC */
#include "store/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/clock.h>
#include "wait/wait_notice.h"
#include "store/db_watch.h"

enum { PURGE_FEW = 8 };

static const char *const lease_sql[] = {
	"CREATE TABLE holdfast_lease("
	"name BLOB PRIMARY KEY NOT NULL, token INTEGER NOT NULL, holder TEXT NOT NULL,"
	" acquired INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID",
	"CREATE INDEX holdfast_lease_expires ON holdfast_lease(expires)",
	NULL,
};
static const struct hf_store_table lease_table = {"holdfast_lease", lease_sql};
static const struct hf_store_table *const tables[] = {&lease_table, &hf_store_tokens, NULL};

/* The holder of a name. */
enum { HOLDER_SIZE = 256 };
struct holder {
	char name[HOLDER_SIZE];
	int64_t token, expires;
};

/* Read the holder of a name. HF_NO: no process holds it now. */
static enum hf_status read_holder(struct hf_store *store, const struct hf_bytes *name,
				  struct holder *holder, struct hf_err *err)
{
	const struct hf_db_value values[] = {hf_blob_value(name), HF_DB_INT_VALUE(hf_store_now())};
	struct hf_db_value text;
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = hf_db_first(store->db,
					    "SELECT holder, token, expires FROM holdfast_lease"
					    " WHERE name = ?1 AND expires > ?2",
					    values, 2, &stmt, err);

	if (status != HF_OK)
		return status;
	text = hf_sqlite_stmt_column(stmt, 0);
	snprintf(holder->name, sizeof(holder->name), "%.*s", (int)text.size,
		 (const char *)text.data);
	holder->token = hf_sqlite_stmt_column(stmt, 1).i;
	holder->expires = hf_sqlite_stmt_column(stmt, 2).i;
	hf_sqlite_stmt_finalize(stmt);
	return HF_OK;
}

/* Format the remaining time, as in "42s". Return out. */
static char *format_left(char out[32], int64_t expires)
{
	int64_t us = expires - hf_store_now(), unit = us < 1000000 ? 1000 : 1000000;

	if (expires == HF_STORE_NEVER || us > HF_NEVER / 1000)
		return strcpy(out, "an unlimited time");
	return hf_format_duration(out, 32, us < 1000 ? HF_MS : us / unit * unit * 1000);
}

/* Return HF_OK if all names are free. HF_BUSY: one is not, and *holder holds it. */
static enum hf_status find_holder(struct hf_store *store, const struct hf_bytes *names,
				  size_t count, struct holder *holder, struct hf_err *err)
{
	enum hf_status status = HF_NO;
	char name[96], time[32];

	for (size_t i = 0; i < count && status == HF_NO; i++) {
		status = read_holder(store, &names[i], holder, err);
		if (status != HF_OK)
			continue;
		hf_fail(err, HF_BUSY,
			"cannot acquire '%s' in '%s': held by '%s' (token %lld) for %s",
			hf_store_name(name, &names[i]), store->path, holder->name,
			(long long)holder->token, format_left(time, holder->expires));
		hf_advise(err, "wait longer with --wait");
		return HF_BUSY;
	}
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status take_all(struct hf_store *store, const struct hf_bytes *names, size_t count,
			       const char *holder, int64_t ttl, int64_t *token, struct hf_err *err)
{
	int64_t now = hf_store_now();
	const struct hf_db_value old[] = {HF_DB_INT_VALUE(now),
					  HF_DB_INT_VALUE((int64_t)count + PURGE_FEW)};
	enum hf_status status = hf_store_token(store, token, err);

	if (status == HF_OK)
		status = hf_db_exec(store->db,
				    "DELETE FROM holdfast_lease WHERE name IN (SELECT name FROM"
				    " holdfast_lease WHERE expires <= ?1 LIMIT ?2)",
				    old, 2, NULL, err);
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		const struct hf_db_value values[] = {
			hf_blob_value(&names[i]), HF_DB_INT_VALUE(*token), hf_text_value(holder),
			HF_DB_INT_VALUE(now), HF_DB_INT_VALUE(hf_store_expiry(now, ttl))};

		status = hf_db_exec(store->db,
				    "INSERT OR REPLACE INTO holdfast_lease"
				    "(name, token, holder, acquired, expires)"
				    " VALUES(?1, ?2, ?3, ?4, ?5)",
				    values, 5, NULL, err);
	}
	return status;
}

/* Wait until the names look free. HF_BUSY: the deadline has passed. */
static enum hf_status wait_for_all(struct hf_store *store, struct hf_db_watch *watch,
				   const struct hf_bytes *names, size_t count,
				   struct holder *holder, int64_t deadline, struct hf_err *err)
{
	char time[32];

	struct hf_wait_notice notice = hf_wait_notice_begin(&store->wait);
	enum hf_status status = HF_BUSY;

	while (status == HF_BUSY && hf_time_left(deadline) > 0) {
		hf_db_watch_sleep(watch, hf_store_instant(holder->expires, deadline));
		if (hf_wait_notice_is_due(&notice))
			hf_wait_notice_say(
				&store->wait,
				"waiting for a lease of '%s', held by '%s' (token %lld) for "
				"%s",
				store->path, holder->name, (long long)holder->token,
				format_left(time, holder->expires));
		status = hf_store_begin_read(store, &lease_table, err);
		if (status == HF_NO)
			return HF_OK;
		if (status == HF_OK)
			status = find_holder(store, names, count, holder, err);
		hf_db_rollback(store->db);
	}
	return status;
}

enum hf_status hf_lease_acquire(struct hf_store *store, const struct hf_bytes *names, size_t count,
				const char *holder, int64_t ttl, int64_t deadline, int64_t *token,
				struct hf_err *err)
{
	enum hf_status status = hf_store_check_keys(names, count, "name", err);
	struct hf_db_watch watch = {.notify = -1};
	struct holder other;

	if (status == HF_OK && (!*holder || strlen(holder) >= HOLDER_SIZE))
		status = hf_fail(err, HF_USAGE, "a holder's name has 1 to %d bytes",
				 HOLDER_SIZE - 1);
	while (status == HF_OK) {
		status = hf_store_begin(store, tables, err);
		if (status != HF_OK)
			break;
		hf_db_watch_begin(&watch, store->real);
		status = find_holder(store, names, count, &other, err);
		if (status == HF_OK) {
			status = take_all(store, names, count, holder, ttl, token, err);
			status = hf_store_end(store, status, err);
			break;
		}
		hf_db_rollback(store->db);
		if (status == HF_BUSY)
			status = wait_for_all(store, &watch, names, count, &other, deadline, err);
	}
	hf_db_watch_end(&watch);
	return status;
}

/* Check that the caller holds the name (store/E4). HF_NO, with the reason, if not. */
static enum hf_status check_proof(struct hf_store *store, const struct hf_bytes *name,
				  const char *verb, const struct hf_lease_proof *proof,
				  struct hf_err *err)
{
	struct holder holder;
	char shown[96];
	enum hf_status status = read_holder(store, name, &holder, err);

	if (status == HF_NO)
		return hf_fail(err, HF_NO, "cannot %s '%s' in '%s': no process holds it any more",
			       verb, hf_store_name(shown, name), store->path);
	if (status != HF_OK)
		return status;
	if ((!proof->token || proof->token == holder.token) &&
	    (!proof->holder || strcmp(proof->holder, holder.name) == 0))
		return HF_OK;
	return hf_fail(err, HF_NO, "cannot %s '%s' in '%s': held by '%s' (token %lld)", verb,
		       hf_store_name(shown, name), store->path, holder.name,
		       (long long)holder.token);
}

/* Change all names in one step. In sql, ?1 is the name, and ?2 the new expiry unless ttl is 0. */
static enum hf_status change_leases(struct hf_store *store, const struct hf_bytes *names,
				    size_t count, const char *verb,
				    const struct hf_lease_proof *proof, int64_t ttl,
				    const char *sql, struct hf_err *err)
{
	enum hf_status status = hf_store_check_keys(names, count, "name", err);
	int64_t expires;

	if (status == HF_OK)
		status = hf_store_begin(store, tables, err);
	if (status != HF_OK)
		return status;
	for (size_t i = 0; i < count && status == HF_OK; i++)
		status = check_proof(store, &names[i], verb, proof, err);
	expires = ttl ? hf_store_expiry(hf_store_now(), ttl) : 0;
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		const struct hf_db_value values[] = {hf_blob_value(&names[i]),
						     HF_DB_INT_VALUE(expires)};

		status = hf_db_exec(store->db, sql, values, ttl ? 2 : 1, NULL, err);
	}
	return hf_store_end(store, status, err);
}

enum hf_status hf_lease_renew(struct hf_store *store, const struct hf_bytes *names, size_t count,
			      const struct hf_lease_proof *proof, int64_t ttl, struct hf_err *err)
{
	return change_leases(store, names, count, "renew", proof, ttl,
			     "UPDATE holdfast_lease SET expires = ?2 WHERE name = ?1", err);
}

enum hf_status hf_lease_release(struct hf_store *store, const struct hf_bytes *names, size_t count,
				const struct hf_lease_proof *proof, struct hf_err *err)
{
	return change_leases(store, names, count, "release", proof, 0,
			     "DELETE FROM holdfast_lease WHERE name = ?1", err);
}

enum hf_status hf_lease_list(struct hf_store *store,
			     enum hf_status (*each)(void *context, const struct hf_lease *lease,
						    struct hf_err *err),
			     void *context, struct hf_err *err)
{
	struct hf_db_value now = HF_DB_INT_VALUE(hf_store_now());
	enum hf_status status = hf_store_begin_read(store, &lease_table, err);
	struct hf_sqlite_stmt *stmt;

	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	status = hf_db_query(store->db,
			     "SELECT name, holder, token, acquired, expires FROM"
			     " holdfast_lease WHERE expires > ?1 ORDER BY name",
			     &now, 1, &stmt, err);
	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		struct hf_db_value name = hf_sqlite_stmt_column(stmt, 0);
		struct hf_db_value holder = hf_sqlite_stmt_column(stmt, 1);
		struct hf_lease lease = {
			.token = hf_sqlite_stmt_column(stmt, 2).i,
			.acquired = hf_sqlite_stmt_column(stmt, 3).i,
			.expires = hf_sqlite_stmt_column(stmt, 4).i,
		};
		char *copy = strndup(name.data, name.size);
		char *who = strndup(holder.data, holder.size);

		lease.name = (struct hf_bytes){copy, copy ? strlen(copy) : 0};
		lease.holder = who;
		status = copy && who ? each(context, &lease, err)
				     : hf_fail_errno(err, "cannot list '%s'", store->path);
		free(copy);
		free(who);
	}
	hf_sqlite_stmt_finalize(stmt);
	return hf_store_end(store, status == HF_NO ? HF_OK : status, err);
}
