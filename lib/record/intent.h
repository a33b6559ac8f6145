/* SPDX-License-Identifier: ISC */
#ifndef HF_INTENT_H
#define HF_INTENT_H

/*
 * An intent: the rows that describe a record in its database, so that any process can finish it.
 * README.md has the columns.
 *
 *	hf_intent_name(), hf_intent_prepare(), hf_intent_insert(); finally hf_intent_delete()
 *	hf_intents_load(), hf_intents_free()
 *
 * All functions run in the caller's transaction and never wait. A crash leaves the committed rows.
 * Errors are sqlite/db.h's; HF_DATA for a row that cannot be understood. One thread for each
 * hf_db; not async-signal-safe.
 */

#include <stdint.h>

#include "git/repo_backend.h"
#include "sqlite/query.h"

enum {
	HF_RECORD_ID = 33, /* 128 bits in hexadecimal, and NUL */
	HF_INTENT_VERSION = 2,
	HF_MARK_ID = 17,   /* 64 bits in hexadecimal, and NUL */
	HF_MARK_SIZE = 40, /* "ID-SLOT.record" */
	HF_SEEN_SIZE = 56, /* "INODE KIND WITNESS" */
};

enum hf_record_op { HF_RECORD_WRITE, HF_RECORD_APPEND, HF_RECORD_REMOVE, HF_RECORD_SNAPSHOT };

struct hf_intent_file {
	char intent[HF_RECORD_ID]; /* this and number: only in a row */
	int64_t number;
	enum hf_record_op op;
	char *path;
	unsigned int mode;
	const void *content; /* of a loaded intent: freed with it */
	size_t size;
	char old_sha256[65]; /* "": there was no file */
	int64_t old_size;
	char new_sha256[65]; /* "": it is removed */
	char mark[HF_MARK_SIZE];
	char seen[HF_SEEN_SIZE], place[HF_SEEN_SIZE];
};

struct hf_intent {
	char id[HF_RECORD_ID];
	int64_t version, created, uid;
	/* its identity, also after a move (git/repo.h); NULL: no repository, and no members down to
	 * committer */
	char *repository;
	char *gitdir; /* of the worktree */
	char *ref, tip[HF_OID_SIZE];
	char *message;
	struct hf_commit_ident author, committer;
	struct hf_intent_file *files;
	size_t file_count;
	bool loaded; /* the contents of the files are its own */
};

/* Return true if the file's intent has the content: of a write or an append. */
bool hf_intent_has_content(const struct hf_intent_file *f);

/* Make a new id. */
void hf_intent_name(char id[HF_RECORD_ID]);

/* Create the tables if they do not exist. */
enum hf_status hf_intent_prepare(struct hf_db *db, struct hf_err *err);

enum hf_status hf_intent_insert(struct hf_db *db, const struct hf_intent *intent,
				struct hf_err *err);

/* Load all intents, oldest first, into *intents; free them with hf_intents_free(). heads_only: of
 * their files only op, path and mode, for a list; nothing is changed. Otherwise tables of version 1
 * get the new columns. */
enum hf_status hf_intents_load(struct hf_db *db, bool heads_only, struct hf_intent **intents,
			       size_t *count, struct hf_err *err);
void hf_intent_free(struct hf_intent *intent); /* not the struct itself */
void hf_intents_free(struct hf_intent *intents, size_t count);

/* Return HF_NO if no intent has this id. */
enum hf_status hf_intent_find(struct hf_db *db, const char *id, struct hf_err *err);

/* Return HF_OK if an intent names this mark, else HF_NO. */
enum hf_status hf_intent_has_mark(struct hf_db *db, const char *mark, struct hf_err *err);

/* Write the row of file `number`, which may be there already. */
enum hf_status hf_intent_put_file(struct hf_db *db, const struct hf_intent *intent, size_t number,
				  struct hf_err *err);

/* Delete the intent. HF_DATA: a trigger keeps it. */
enum hf_status hf_intent_delete(struct hf_db *db, const char *id, struct hf_err *err);

#endif
