/* SPDX-License-Identifier: ISC */
#include "store/queue.h"

#include <stdlib.h>
#include <string.h>

#include <holdfast/clock.h>
#include "store/db_watch.h"

enum { PURGE_STEP = 1000 };

/* A claim walks the first index, which has everything that decides; a waiter uses the second.
 * States are those of enum hf_job_state. AUTOINCREMENT: a number is never used again. */
static const char *const job_sql[] = {
	"CREATE TABLE holdfast_job("
	"id INTEGER PRIMARY KEY AUTOINCREMENT, queue BLOB NOT NULL, priority INTEGER NOT NULL,"
	" state INTEGER NOT NULL, due INTEGER NOT NULL, added INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL, most INTEGER NOT NULL, token INTEGER, holder TEXT,"
	" payload BLOB NOT NULL)",
	"CREATE INDEX holdfast_job_next ON holdfast_job(queue, priority, id, due) WHERE state < 2",
	"CREATE INDEX holdfast_job_due ON holdfast_job(queue, due) WHERE state < 2",
	NULL,
};
static const struct hf_store_table job_table = {"holdfast_job", job_sql};
static const struct hf_store_table *const tables[] = {&job_table, &hf_store_tokens, NULL};

#define COLUMNS                                                                                    \
	"id, queue, priority, state, due, added, attempts, most, token, holder, payload"

static void *copy_value(struct hf_db_value value)
{
	char *text = value.type == HF_DB_NULL ? NULL : malloc(value.size + 1);

	if (text && value.size)
		memcpy(text, value.data, value.size);
	if (text)
		text[value.size] = '\0';
	return text;
}

/* Read a row of COLUMNS. */
static enum hf_status read_job(struct hf_store *store, struct hf_sqlite_stmt *stmt,
			       struct hf_job *job, struct hf_err *err)
{
	struct hf_db_value queue = hf_sqlite_stmt_column(stmt, 1),
			   holder = hf_sqlite_stmt_column(stmt, 9);
	struct hf_db_value payload = hf_sqlite_stmt_column(stmt, 10);

	*job = (struct hf_job){
		.id = hf_sqlite_stmt_column(stmt, 0).i,
		.queue = {copy_value(queue), queue.size},
		.priority = hf_sqlite_stmt_column(stmt, 2).i,
		.state = (enum hf_job_state)hf_sqlite_stmt_column(stmt, 3).i,
		.due = hf_sqlite_stmt_column(stmt, 4).i,
		.added = hf_sqlite_stmt_column(stmt, 5).i,
		.attempts = hf_sqlite_stmt_column(stmt, 6).i,
		.most = hf_sqlite_stmt_column(stmt, 7).i,
		.token = hf_sqlite_stmt_column(stmt, 8).i,
		.holder = copy_value(holder),
		.payload = {copy_value(payload), payload.size},
	};
	if (job->queue.data && job->payload.data && (job->holder || holder.type == HF_DB_NULL))
		return HF_OK;
	hf_job_free(job);
	return hf_fail_errno(err, "cannot read a job of '%s'", store->path);
}

void hf_job_free(struct hf_job *job)
{
	free((void *)job->queue.data);
	free((void *)job->payload.data);
	free(job->holder);
	*job = (struct hf_job){0};
}

enum hf_status hf_queue_add(struct hf_store *store, const struct hf_job *job, int64_t delay,
				const struct hf_bytes *payloads, size_t count, int64_t *first,
				int64_t *last, struct hf_err *err)
{
	enum hf_status status = hf_store_begin(store, tables, err);
	int64_t now = hf_store_now();
	struct hf_sqlite_stmt *stmt;

	if (status != HF_OK)
		return status;
	status = hf_db_query(store->db,
			     "INSERT INTO holdfast_job"
			     "(queue, priority, state, due, added, attempts, most, payload)"
			     " VALUES(?1, ?2, 0, ?3, ?4, 0, ?5, ?6)",
			     NULL, 0, &stmt, err);
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		const struct hf_db_value values[] = {
			hf_blob_value(&job->queue),
			HF_DB_INT_VALUE(job->priority),
			HF_DB_INT_VALUE(delay ? hf_store_expiry(now, delay) : now),
			HF_DB_INT_VALUE(now),
			HF_DB_INT_VALUE(job->most),
			hf_blob_value(&payloads[i]),
		};

		status = hf_sqlite_stmt_run(stmt, values, 6, err);
		status = status == HF_NO ? HF_OK : status;
		*last = hf_sqlite_last_rowid(hf_db_sql(store->db));
		if (i == 0)
			*first = *last;
	}
	hf_sqlite_stmt_finalize(stmt);
	return hf_store_end(store, status, err);
}

/* In a transaction: HF_OK: a job can be claimed. HF_NO: none can; *until is when one will be
 * due. */
static enum hf_status find_claimable(struct hf_store *store, const struct hf_bytes *queue,
				     int64_t *until, struct hf_err *err)
{
	struct hf_db_value value = hf_blob_value(queue);
	enum hf_status status = hf_db_int(
		store->db,
		"SELECT due FROM holdfast_job INDEXED BY holdfast_job_due"
		" WHERE queue = ?1 AND state < 2 ORDER BY due LIMIT 1",
		&value, 1, until, err);

	if (status == HF_NO)
		*until = HF_STORE_NEVER;
	return status == HF_OK && *until > hf_store_now() ? HF_NO : status;
}

enum hf_status hf_queue_wait(struct hf_store *store, const struct hf_bytes *queue, int64_t deadline,
			     struct hf_err *err)
{
	struct hf_db_watch watch = {.notify = -1};
	int64_t until = HF_STORE_NEVER;
	enum hf_status status;

	for (;;) {
		status = hf_store_begin_read(store, &job_table, err);
		if (status == HF_OK) {
			hf_db_watch_begin(&watch, store->real);
			status = find_claimable(store, queue, &until, err);
			hf_db_rollback(store->db);
		}
		if (status == HF_BUSY && hf_time_left(deadline) > 0)
			until = HF_STORE_NEVER; /* a database in rollback mode was busy: try
						 * again */
		else if (status != HF_NO || hf_time_left(deadline) == 0)
			break;
		hf_db_watch_sleep(&watch, hf_store_instant(until, deadline));
	}
	hf_db_watch_end(&watch);
	return status;
}

/* Find the next job (store/Q2). Jobs without attempts left become dead. */
static enum hf_status find_next(struct hf_store *store, const struct hf_bytes *queue, int64_t *id,
				struct hf_err *err)
{
	struct hf_db_value values[] = {hf_blob_value(queue), HF_DB_INT_VALUE(hf_store_now())};
	int64_t killed = 1;
	enum hf_status status = HF_OK;

	while (status == HF_OK && killed) {
		status = hf_db_int(store->db,
				   "SELECT id FROM holdfast_job INDEXED BY holdfast_job_next"
				   " WHERE queue = ?1 AND state < 2 AND due <= ?2"
				   " ORDER BY priority, id LIMIT 1",
				   values, 2, id, err);
		const struct hf_db_value dead[] = {HF_DB_INT_VALUE(*id), values[1]};
		if (status == HF_OK)
			status = hf_db_exec(store->db,
					    "UPDATE holdfast_job SET state = 2, due = ?2,"
					    " token = NULL, holder = NULL"
					    " WHERE id = ?1 AND most > 0 AND attempts >= most",
					    dead, 2, &killed, err);
	}
	return status;
}

static enum hf_status claim_job(struct hf_store *store, int64_t id, const char *holder, int64_t ttl,
				struct hf_job *job, struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	int64_t token;
	enum hf_status status = hf_store_token(store, &token, err);

	if (status != HF_OK)
		return status;
	const struct hf_db_value values[] = {HF_DB_INT_VALUE(id),
					     HF_DB_INT_VALUE(hf_store_expiry(hf_store_now(), ttl)),
					     HF_DB_INT_VALUE(token), hf_text_value(holder)};
	status = hf_db_first(store->db,
			     "UPDATE holdfast_job SET state = 1, due = ?2, token = ?3, holder = ?4,"
			     " attempts = attempts + 1 WHERE id = ?1 RETURNING " COLUMNS,
			     values, 4, &stmt, err);
	if (status == HF_OK)
		status = read_job(store, stmt, job, err);
	hf_sqlite_stmt_finalize(stmt);
	return status;
}

enum hf_status hf_queue_claim(struct hf_store *store, const struct hf_bytes *queue,
			      const char *holder, int64_t ttl, struct hf_job *job,
			      struct hf_err *err)
{
	enum hf_status status = hf_store_begin(store, tables, err);
	int64_t id = 0;

	*job = (struct hf_job){0};
	if (status != HF_OK)
		return status;
	status = find_next(store, queue, &id, err);
	if (status == HF_OK)
		status = claim_job(store, id, holder, ttl, job, err);
	status = hf_store_end(store, status, err);
	if (status != HF_OK)
		hf_job_free(job);
	return status;
}

/* Report why the caller does not hold the job. Return HF_NO. */
static enum hf_status fail_not_held(struct hf_store *store, const char *verb, int64_t id,
				    struct hf_err *err)
{
	struct hf_db_value values[] = {HF_DB_INT_VALUE(id), HF_DB_INT_VALUE(hf_store_now())};
	int64_t token = 0;
	const char *why = "its lease has expired";
	enum hf_status status = hf_db_int(store->db,
					  "SELECT CASE WHEN state = 1 AND due > ?2 THEN token"
					  " ELSE -state END FROM holdfast_job WHERE id = ?1",
					  values, 2, &token, err);

	if (status != HF_OK && status != HF_NO)
		return status;
	if (status == HF_OK && token > 0) {
		hf_fail(err, HF_NO, "cannot %s job %lld of '%s': it is claimed with token %lld",
			verb, (long long)id, store->path, (long long)token);
		hf_advise(err, "if it was yours, another does it again: claim with a larger --ttl, "
			       "or renew earlier");
		return HF_NO;
	}
	if (status == HF_NO)
		why = "there is no such job, or it is done";
	else if (token == -HF_JOB_DEAD)
		why = "it is dead";
	else if (token == -HF_JOB_WAITING)
		why = "no process has claimed it";
	return hf_fail(err, HF_NO, "cannot %s job %lld of '%s': %s", verb, (long long)id,
		       store->path, why);
}

/* Change job ?1 if its token is ?2 and it is now ?3; ?4 and ?5 belong to sql. */
static enum hf_status change_job(struct hf_store *store, const char *verb, const char *sql,
				 const struct hf_db_value values[5], int count, struct hf_err *err)
{
	enum hf_status status = hf_store_begin(store, tables, err);
	struct hf_db_value all[5];
	int64_t changes = 0;

	if (status != HF_OK)
		return status;
	memcpy(all, values, (size_t)count * sizeof(*all));
	all[2] = HF_DB_INT_VALUE(hf_store_now());
	if (count > 3) /* a duration from now on */
		all[3] = HF_DB_INT_VALUE(all[3].i ? hf_store_expiry(all[2].i, all[3].i) : all[2].i);
	status = hf_db_exec(store->db, sql, all, count, &changes, err);
	if (status == HF_OK && !changes)
		status = fail_not_held(store, verb, values[0].i, err);
	return hf_store_end(store, status, err);
}

enum hf_status hf_queue_renew(struct hf_store *store, int64_t id, int64_t token, int64_t ttl,
			      struct hf_err *err)
{
	const struct hf_db_value values[5] = {HF_DB_INT_VALUE(id), HF_DB_INT_VALUE(token),
					      [3] = HF_DB_INT_VALUE(ttl)};

	return change_job(store, "renew",
			  "UPDATE holdfast_job SET due = ?4"
			  " WHERE id = ?1 AND token = ?2 AND state = 1 AND due > ?3",
			  values, 4, err);
}

enum hf_status hf_queue_done(struct hf_store *store, int64_t id, int64_t token, struct hf_err *err)
{
	const struct hf_db_value values[5] = {HF_DB_INT_VALUE(id), HF_DB_INT_VALUE(token)};

	return change_job(store, "end",
			  "DELETE FROM holdfast_job"
			  " WHERE id = ?1 AND token = ?2 AND state = 1 AND due > ?3",
			  values, 3, err);
}

enum hf_status hf_queue_release(struct hf_store *store, int64_t id, int64_t token, int64_t delay,
				bool uncounted, struct hf_err *err)
{
	const struct hf_db_value values[5] = {HF_DB_INT_VALUE(id), HF_DB_INT_VALUE(token),
					      [3] = HF_DB_INT_VALUE(delay),
					      [4] = HF_DB_INT_VALUE(uncounted)};

	return change_job(store, "release",
			  "UPDATE holdfast_job SET attempts = attempts - ?5,"
			  " state = CASE WHEN most > 0 AND attempts - ?5 >= most THEN 2 ELSE 0 END,"
			  " due = CASE WHEN most > 0 AND attempts - ?5 >= most THEN ?3 ELSE ?4 END,"
			  " token = NULL, holder = NULL"
			  " WHERE id = ?1 AND token = ?2 AND state = 1 AND due > ?3",
			  values, 5, err);
}

enum hf_status hf_queue_retry(struct hf_store *store, int64_t id, struct hf_err *err)
{
	const struct hf_db_value values[] = {HF_DB_INT_VALUE(id), HF_DB_INT_VALUE(hf_store_now())};
	enum hf_status status = hf_store_begin(store, tables, err);
	int64_t changes = 0;

	if (status != HF_OK)
		return status;
	status = hf_db_exec(store->db,
			    "UPDATE holdfast_job SET state = 0, attempts = 0, due = ?2"
			    " WHERE id = ?1 AND state = 2",
			    values, 2, &changes, err);
	if (status == HF_OK && !changes) {
		status = hf_fail(err, HF_NO, "cannot retry job %lld of '%s': no dead job",
				 (long long)id, store->path);
		hf_advise(err, "sqlite-queue list shows which are dead");
	}
	return hf_store_end(store, status, err);
}

enum hf_status hf_queue_purge(struct hf_store *store, const struct hf_bytes *queue,
			      int64_t older_than, int64_t *removed, struct hf_err *err)
{
	int64_t step = PURGE_STEP;
	enum hf_status status = HF_OK;

	for (*removed = 0; status == HF_OK && step == PURGE_STEP; *removed += step) {
		step = 0;
		status = hf_store_begin(store, tables, err);
		if (status != HF_OK)
			break;
		const struct hf_db_value values[] = {
			HF_DB_INT_VALUE(hf_store_now() - older_than / 1000),
			HF_DB_INT_VALUE(PURGE_STEP),
			queue ? hf_blob_value(queue) : hf_text_value(NULL)};
		status = hf_db_exec(store->db,
				    "DELETE FROM holdfast_job WHERE id IN (SELECT id FROM"
				    " holdfast_job WHERE state = 2 AND due <= ?1"
				    " AND (?3 IS NULL OR queue = ?3) LIMIT ?2)",
				    values, 3, &step, err);
		status = hf_store_end(store, status, err);
	}
	return status == HF_NO ? HF_OK : status; /* no table */
}

enum hf_status hf_queue_list(struct hf_store *store, const struct hf_bytes *queue,
			     enum hf_status (*each)(void *context, const struct hf_job *job,
						    struct hf_err *err),
			     void *context, struct hf_err *err)
{
	struct hf_db_value value = queue ? hf_blob_value(queue) : hf_text_value(NULL);
	enum hf_status status = hf_store_begin_read(store, &job_table, err);
	struct hf_sqlite_stmt *stmt;
	struct hf_job job;

	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	status = hf_db_query(store->db,
			     "SELECT " COLUMNS " FROM holdfast_job"
			     " WHERE ?1 IS NULL OR queue = ?1"
			     " ORDER BY queue, state = 2, priority, id",
			     &value, 1, &stmt, err);
	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		status = read_job(store, stmt, &job, err);
		if (status != HF_OK)
			break;
		status = each(context, &job, err);
		hf_job_free(&job);
	}
	hf_sqlite_stmt_finalize(stmt);
	return hf_store_end(store, status == HF_NO ? HF_OK : status, err);
}
