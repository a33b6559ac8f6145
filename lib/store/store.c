/* SPDX-License-Identifier: ISC */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <holdfast/clock.h>

static const char *const tokens_sql[] = {
	"CREATE TABLE holdfast_token("
	"id INTEGER PRIMARY KEY CHECK(id = 1), last INTEGER NOT NULL)",
	NULL,
};
const struct hf_store_table hf_store_tokens = {"holdfast_token", tokens_sql};

enum hf_status hf_store_open(struct hf_store *store, const char *path,
			     const struct hf_store_options *options, struct hf_err *err)
{
	struct hf_db_options db = {
		.flags = options->read ? HF_DB_READ : options->existing ? 0 : HF_DB_CREATE,
		.sync = HF_SYNC_FULL,
		.wait = options->wait,
		.backoff = options->backoff,
	};
	enum hf_status status;

	*store = (struct hf_store){.path = path, .wait = options->wait};
	status = hf_db_open(&store->db, path, &db, err);
	/* an absent database that is not to be made is an empty store */
	return status == HF_NOINPUT ? HF_OK : status;
}

/* Set the real path of the database, which exists now. */
static enum hf_status find_real(struct hf_store *store, struct hf_err *err)
{
	if (!store->real)
		store->real = realpath(store->path, NULL);
	return store->real ? HF_OK : hf_fail_errno(err, "cannot find '%s'", store->path);
}

void hf_store_close(struct hf_store *store)
{
	int saved = errno;

	hf_db_close(store->db);
	free(store->real);
	*store = (struct hf_store){0};
	errno = saved;
}

void hf_store_wait(struct hf_store *store, int64_t limit)
{
	store->wait.deadline = hf_deadline_in(limit);
	store->wait.limit = limit;
	if (store->db)
		hf_db_wait(store->db, &store->wait);
}

enum hf_status hf_store_check_keys(const struct hf_bytes *keys, size_t count, const char *what,
				   struct hf_err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (keys[i].size)
			continue;
		hf_fail(err, HF_USAGE, "an empty %s", what);
		hf_advise(err, "check whether a variable is unset");
		return HF_USAGE;
	}
	return HF_OK;
}

/* Check the table's definition (store/S1). HF_NO: there is no such table. */
static enum hf_status check_table(struct hf_store *store, const struct hf_store_table *table,
				  struct hf_err *err)
{
	const struct hf_db_value values[] = {hf_text_value(table->name),
					     hf_text_value(table->sql[0])};
	int64_t same;
	enum hf_status status = hf_db_int(store->db,
					  "SELECT sql IS ?2 FROM main.sqlite_schema"
					  " WHERE name = ?1 COLLATE NOCASE",
					  values, 2, &same, err);

	if (status != HF_OK || same)
		return status;
	hf_fail(err, HF_DATA, "'%s' is refused as a store: its '%s' is not holdfast's", store->path,
		table->name);
	hf_advise(err, "another program uses that name, or another version of holdfast made it");
	hf_advise(err, "give the store a file of its own");
	return HF_DATA;
}

/* Make a table (store/S2). */
static enum hf_status make_table(struct hf_store *store, const struct hf_store_table *table,
				 struct hf_err *err)
{
	int64_t whose = 0;
	enum hf_status status =
		hf_db_int(store->db, "PRAGMA main.application_id", NULL, 0, &whose, err);

	if (status == HF_OK && whose) {
		hf_fail(err, HF_DATA,
			"'%s' is refused as a store: it is another program's database "
			"(application_id %lld)",
			store->path, (long long)whose);
		hf_advise(err, "give the store a file of its own");
		return HF_DATA;
	}
	for (const char *const *sql = table->sql; *sql && status == HF_OK; sql++)
		status = hf_db_exec(store->db, *sql, NULL, 0, NULL, err);
	return status;
}

enum hf_status hf_store_begin(struct hf_store *store, const struct hf_store_table *const *tables,
			      struct hf_err *err)
{
	enum hf_status status;

	if (!store->db)
		return hf_fail(err, HF_NO, "there is no database '%s'", store->path);
	status = hf_db_begin(store->db, err);
	if (status != HF_OK)
		return status;
	status = find_real(store, err);
	for (; *tables && status == HF_OK; tables++) {
		status = check_table(store, *tables, err);
		if (status == HF_NO)
			status = make_table(store, *tables, err);
	}
	if (status != HF_OK)
		hf_db_rollback(store->db);
	else if (store->begun)
		store->begun();
	return status;
}

enum hf_status hf_store_begin_read(struct hf_store *store, const struct hf_store_table *table,
				   struct hf_err *err)
{
	enum hf_status status;

	if (!store->db)
		return HF_NO;
	status = hf_db_begin_read(store->db, err);
	if (status != HF_OK)
		return status == HF_NOINPUT ? HF_NO : status; /* removed in the meantime */
	status = find_real(store, err);
	if (status == HF_OK)
		status = check_table(store, table, err);
	if (status != HF_OK)
		hf_db_rollback(store->db);
	return status;
}

enum hf_status hf_store_end(struct hf_store *store, enum hf_status status, struct hf_err *err)
{
	enum hf_status committed = HF_OK;

	if (status == HF_OK || status == HF_NO)
		committed = hf_db_commit(store->db, err);
	else
		hf_db_rollback(store->db);
	return committed == HF_OK ? status : committed;
}

int64_t hf_store_now(void)
{
	struct timespec ts;

#ifdef HF_FAULTS
	const char *fault = getenv("HOLDFAST_FAULT_CLOCK");

	if (fault)
		return strtoll(fault, NULL, 10);
#endif
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t hf_store_expiry(int64_t now, int64_t ttl)
{
	int64_t at;

	/* rounded up, so that a TTL of a nanosecond is not 0 */
	if (ttl == HF_NEVER || __builtin_add_overflow(now, ttl / 1000 + (ttl % 1000 > 0), &at))
		return HF_STORE_NEVER;
	return at;
}

int64_t hf_store_instant(int64_t at, int64_t deadline)
{
	int64_t left = at == HF_STORE_NEVER ? HF_NEVER : at - hf_store_now(), instant;

	if (left == HF_NEVER || __builtin_mul_overflow(left < 0 ? 0 : left, 1000, &left) ||
	    __builtin_add_overflow(hf_now(), left, &instant))
		return deadline;
	return instant < deadline ? instant : deadline;
}

enum hf_status hf_store_token(struct hf_store *store, int64_t *token, struct hf_err *err)
{
	return hf_db_int(store->db,
			 "INSERT INTO holdfast_token(id, last) VALUES(1, 1)"
			 " ON CONFLICT(id) DO UPDATE SET last = last + 1 RETURNING last",
			 NULL, 0, token, err);
}

char *hf_store_name(char out[96], const struct hf_bytes *bytes)
{
	char raw[64];
	size_t size = bytes->size < sizeof(raw) ? bytes->size : sizeof(raw) - 1;

	memcpy(raw, bytes->data, size);
	raw[size] = '\0';
	hf_escape(out, 90, raw);
	if (size < bytes->size)
		strcat(out, "…");
	return out;
}
