/* SPDX-License-Identifier: ISC */
#ifndef HF_INTENT_H
#define HF_INTENT_H

/*
 * An intent: a record as it stands in the database, so that whoever finds it can finish it.
 *
 *	holdfast_intent		one row a record: its id; for a commit the repository, the branch
 *				and the tip that was seen, the message, author and committer
 *	holdfast_intent_file	one row a file, in the order they were asked for
 *
 * The tables are made by the first record, and then stay, empty but for what is unfinished. An
 * intent is inserted in the transaction that it belongs to, and deleted when all of it is done
 * (record/record.h). So any row that a new transaction sees was left by one who died, or could not
 * go on.
 *
 * A file's row says what is to be done, and by its hashes how to see whether it was:
 *
 *	op		write, append, remove, snapshot
 *	path		in the repository's tree; without a repository an absolute path
 *	mode		of a file that is created: the permission bits
 *	content		write: all of it. append: what is appended. Else NULL: a snapshot is made
 *			anew from the database, which has it all.
 *	old, old_size	SHA-256 and size of what it replaces; NULL: there was nothing
 *	new		SHA-256 of the result; NULL: it is removed, or a snapshot that is not made
 *			yet: it is put in when it is, before the file is replaced
 *	mark		append: the end of the mark's name (record/record_mark.h). NULL: a record of
 *			version 1, which has none
 *	seen, place	append: inode and birth time of the file that it replaces (NULL: there was
 *			none), and of its directory
 *
 *	T1  Only columns that this version knows are read. A row with a higher `version` is left
 *	    alone, and reported.
 *	T2  What is read is checked for its form before it is used: anybody who can write to the
 *	    database may have written it. Whether it is obeyed is record/recovery.h's question.
 *
 * Never waits; one transaction's work (sqlite/db.h). Errors are sqlite/db.h's; HF_DATA for a row
 * that cannot be understood.
 */

#include <stdint.h>

#include "sqlite/query.h"
#include "git/repo_backend.h"

enum {
	HF_RECORD_ID = 33, /* 128 bits in hexadecimal, and NUL */
	HF_INTENT_VERSION = 2,
	HF_MARK_ID = 17,   /* 64 bits in hexadecimal, and NUL */
	HF_MARK_SIZE = 40, /* "ID-SLOT.record" */
	HF_SEEN_SIZE = 56, /* "INODE KIND WITNESS" */
};

enum hf_record_op { HF_RECORD_WRITE, HF_RECORD_APPEND, HF_RECORD_REMOVE, HF_RECORD_SNAPSHOT };

struct hf_intent_file {
	enum hf_record_op op;
	char *path;
	unsigned int mode;
	const void *content; /* of a loaded intent: freed with it */
	size_t size;
	char old[65]; /* "" : there was nothing */
	int64_t old_size;
	char fresh[65]; /* "" : it is removed */
	char mark[HF_MARK_SIZE];
	char seen[HF_SEEN_SIZE], place[HF_SEEN_SIZE];
};

struct hf_intent {
	char id[HF_RECORD_ID];
	int64_t version, created, uid;
	/* its lasting identity (git/repo.h); NULL: none, and nothing down to who */
	char *repository;
	char *gitdir;	  /* of the worktree */
	char *ref, tip[HF_OID_SIZE];
	char *message;
	struct hf_commit_ident author, committer;
	struct hf_intent_file *files;
	size_t file_count;
	bool loaded; /* all of it is its own, for hf_intent_free() */
};

/* A new id. */
void hf_intent_name(char id[HF_RECORD_ID]);

/* The tables, where they are not there. */
enum hf_status hf_intent_prepare(struct hf_db *db, struct hf_err *err);

enum hf_status hf_intent_insert(struct hf_db *db, const struct hf_intent *intent,
				struct hf_err *err);

/* All there are, oldest first, into *intents, to be freed by hf_intents_free(). heads: without
 * the contents of their files. */
enum hf_status hf_intents_load(struct hf_db *db, bool heads, struct hf_intent **intents,
			       size_t *count, struct hf_err *err);
void hf_intents_free(struct hf_intent *intents, size_t count);

/* HF_NO: there is none of that id. */
enum hf_status hf_intent_find(struct hf_db *db, const char *id, struct hf_err *err);

/* Return HF_OK if an intent names this mark, else HF_NO. */
enum hf_status hf_intent_has_mark(struct hf_db *db, const char *mark, struct hf_err *err);

/* Say anew what file `number` replaces, and its result. */
enum hf_status hf_intent_correct(struct hf_db *db, const struct hf_intent *intent, size_t number,
				 struct hf_err *err);

/* HF_DATA: a trigger keeps it. */
enum hf_status hf_intent_delete(struct hf_db *db, const char *id, struct hf_err *err);

#endif
