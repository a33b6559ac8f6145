/* SPDX-License-Identifier: ISC */
/*
 * Fuzzing of a record's intent, as its rows stand in the database: every column is what a record
 * writes there, or a value of any type that the input chooses.
 *
 * What must hold: rows are understood, or refused as damaged; and what is understood is what
 * lib/record/README.md promises (record/T2).
 */

#include "record/intent.h"
#include "fuzz.h"
#include "sqlite/db.h"
#include <holdfast/clock.h>

enum { HEAD = 17, FILE_ROW = 12, MAX_ROWS = 3 };

static const char id[] = "0123456789abcdef0123456789abcdef";
static const char hash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#define TEXT(s) HF_DB_TEXT_VALUE(s, strlen(s))

/* The usual value, or one from the input. */
static struct hf_db_value choose(struct input *in, struct hf_db_value usual)
{
	struct hf_db_value value = {.type = HF_DB_NULL};
	struct input piece;
	uint8_t how = take_byte(in);

	switch (how & 15) {
	case 0:
		break;
	case 1:
		value = HF_DB_INT_VALUE((int64_t)take_number(in));
		break;
	case 2:
		value = HF_DB_INT_VALUE((int64_t)take_offset(in, usual.size, 07777));
		break;
	case 3:
		value.type = HF_DB_REAL;
		value.r = (double)(int64_t)take_number(in) / 3;
		break;
	case 4:
	case 5:
		piece = take_piece(in, 255);
		value = how & 1 ? HF_DB_TEXT_VALUE(piece.left ? piece.at : (const uint8_t *)"",
						   piece.left)
				: HF_DB_BLOB_VALUE(piece.left ? piece.at : (const uint8_t *)"",
						   piece.left);
		break;
	case 6: /* another type */
		value = usual;
		value.type = usual.type == HF_DB_TEXT ? HF_DB_BLOB : HF_DB_TEXT;
		if (usual.type == HF_DB_INT)
			value = TEXT("7");
		break;
	case 7: /* shorter */
		value = usual;
		value.size -= value.size ? 1 + take_byte(in) % value.size : 0;
		break;
	default:
		value = usual;
	}
	return value;
}

static void insert(struct hf_db *db, const char *sql, struct input *in,
		   const struct hf_db_value *usual, int count)
{
	struct hf_db_value values[HEAD];
	struct hf_err err;

	for (int i = 0; i < count; i++)
		values[i] = choose(in, usual[i]);
	/* NOT NULL and UNIQUE keep some out */
	hf_db_exec(db, sql, values, count, NULL, &err);
}

static void insert_rows(struct hf_db *db, struct input *in)
{
	const struct hf_db_value zero = HF_DB_INT_VALUE(0);
	const struct hf_db_value head[HEAD] = {TEXT(id),
					       HF_DB_INT_VALUE(1),
					       zero,
					       zero,
					       TEXT("repository"),
					       TEXT("/r/.git"),
					       TEXT("refs/heads/main"),
					       TEXT(""),
					       TEXT("message\n"),
					       TEXT("A"),
					       TEXT("a@b"),
					       zero,
					       zero,
					       TEXT("A"),
					       TEXT("a@b"),
					       zero,
					       zero};
	const struct hf_db_value file[FILE_ROW] = {TEXT(id),
						   zero,
						   HF_DB_INT_VALUE(take_byte(in) % 4),
						   TEXT("dir/file"),
						   HF_DB_INT_VALUE(0644),
						   HF_DB_BLOB_VALUE("content", 7),
						   TEXT(hash),
						   HF_DB_INT_VALUE(3),
						   TEXT(hash),
						   TEXT("0123456789abcdef-1.record"),
						   TEXT("4711 1 0123456789abcdef"),
						   TEXT("4712 1 0123456789abcdef")};
	int heads = take_byte(in) % MAX_ROWS, files = take_byte(in) % MAX_ROWS;

	for (int i = 0; i <= heads; i++)
		insert(db,
		       "INSERT INTO holdfast_intent VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
		       "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
		       in, head, HEAD);
	for (int i = 0; i <= files; i++)
		insert(db,
		       "INSERT INTO holdfast_intent_file VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
		       "?9, ?10, ?11, ?12)",
		       in, file, FILE_ROW);
}

static bool is_hex(const char *s, size_t size)
{
	return strlen(s) == size && strspn(s, "0123456789abcdef") == size;
}

static void check_file(const struct hf_intent_file *f, bool heads)
{
	require(f->op <= HF_RECORD_SNAPSHOT);
	require(f->path && f->mode <= 07777 && f->old_size >= 0);
	require(strspn(f->old_sha256, "0123456789abcdef") == strlen(f->old_sha256));
	require(strspn(f->new_sha256, "0123456789abcdef") == strlen(f->new_sha256));
	require(!strchr(f->mark, '/') && strlen(f->seen) < HF_SEEN_SIZE);
	if (!heads && hf_intent_has_content(f)) {
		require(*f->new_sha256);
		require(f->content);
		for (size_t i = 0; i < f->size; i++)
			(void)((const volatile char *)f->content)[i];
	} else {
		require(!f->content);
	}
}

static void check(const struct hf_intent *intent, bool heads)
{
	require(is_hex(intent->id, HF_RECORD_ID - 1));
	if (intent->version > HF_INTENT_VERSION)
		return;
	require(intent->version >= 1 && intent->uid >= 0);
	if (intent->repository)
		require(intent->gitdir && intent->ref && intent->message && intent->author.name &&
			intent->author.email && intent->committer.name && intent->committer.email);
	for (size_t i = 0; i < intent->file_count; i++)
		check_file(&intent->files[i], heads);
}

static struct hf_db *open_db(void)
{
	struct hf_db_options options = {.flags = HF_DB_CREATE, .sync = HF_SYNC_NONE};
	struct hf_err err;
	struct hf_db *db;
	char path[512];

	options.wait.deadline = HF_NEVER;
	require(hf_db_open(&db, in_dir("x.db", path), &options, &err) == HF_OK);
	require(hf_db_begin(db, &err) == HF_OK && hf_intent_prepare(db, &err) == HF_OK &&
		hf_db_commit(db, &err) == HF_OK);
	return db;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hf_db *db;
	struct input in = {data, size};
	struct hf_intent *intents;
	struct hf_err err;
	size_t count;

	if (!db)
		db = open_db();
	require(hf_db_begin(db, &err) == HF_OK);
	insert_rows(db, &in);
	for (int heads = 0; heads < 2; heads++) {
		enum hf_status status = hf_intents_load(db, heads, &intents, &count, &err);

		require(status == HF_OK || status == HF_DATA);
		for (size_t i = 0; i < count; i++)
			check(&intents[i], heads);
		hf_intents_free(intents, count);
	}
	hf_db_rollback(db);
	return 0;
}
