/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_FILE_H
#define HF_RECORD_FILE_H

/*
 * One file of a record, from the user's path to its new content in place.
 *
 *	hf_record_file_open(), hf_record_file_add(), take the set, hf_record_file_look(),
 *	hf_record_file_stage(), of an append hf_record_file_mark(), COMMIT,
 *	hf_record_file_apply(), hf_record_files_sync(), hf_record_file_close()
 *
 * README.md has the steps and the lock. A crash leaves the mark of an append, and from apply on at
 * most one temporary name, which the next process to replace the file removes (atomic/A2). Blocks
 * and errors as in holdfast/atomic.h. Not thread-safe; not async-signal-safe.
 */

#include <holdfast/atomic.h>
#include "git/sync_batch.h"
#include "record/intent.h"
#include <holdfast/lockset.h>

enum hf_redo_state {
	HF_REDO_PENDING,
	HF_REDO_DONE,
	/* another program has changed it (record/V1, record/M7) */
	HF_REDO_SUPERSEDED,
};

struct hf_record_file {
	struct hf_intent_file *plan; /* what is to be done; stage fills in mode and hashes */
	const char *path;	     /* for messages; borrowed */
	char *own_path;		     /* by recovery: the same, to be freed */
	const char *if_match;
	struct hf_target target; /* dir -1: not open */
	struct stat dir_st;
	bool shares_dir;      /* target.dir belongs to another file of this record */
	struct hf_lock *lock; /* in the set; NULL: not yet added */

	/* as found under the lock */
	bool present;
	int fd; /* belongs to the lock */
	struct stat st;
	int committed; /* by recovery: the record's part of the content, in memory; or -1 */

	struct hf_atomic_options options;
	char mode[8];		  /* of options */
	struct hf_atomic *atomic; /* if staged */
	bool staged, applied;
	bool marked; /* the staged file has the mark as its name */
	bool kept;   /* an intent may name the mark: do not remove it */
	bool later;  /* the caller syncs the content */

	/* by recovery: redo_check.h */
	enum hf_redo_state state;
	bool found_mark; /* the mark exists, and is to be replaced */
	bool correct;	 /* first the intent must say durably what exists now (record/V4) */

	/* by record_commit.h */
	bool moved_away; /* appended to, and moved away since: the commit keeps the tip's version */
	bool reapplied;	 /* the version of a concurrent commit is put back */
	struct stat index; /* for the index */
};

/* The files that are one database: DB, DB-wal and so on. */
struct hf_record_database {
	struct stat dir, file; /* st_nlink 0: absent */
	char name[NAME_MAX + 1];
};

/* Find the database's directory and file. */
enum hf_status hf_record_database_find(struct hf_record_database *database, const char *path,
				       struct hf_err *err);

/* Open the file's directory. f->plan and f->path are set. parents: create missing directories. */
enum hf_status hf_record_file_open(struct hf_record_file *f,
				   const struct hf_record_database *database, bool parents,
				   struct hf_err *err);

/* Share the directory of one of these files if it is the same. They must stay open as long. */
void hf_record_file_share(struct hf_record_file *f, const struct hf_record_file *files,
			  size_t count);

/* Return in *real the absolute path of the file to be replaced, with links resolved. The caller
 * frees it. */
enum hf_status hf_record_file_real(const struct hf_record_file *f, char **real, struct hf_err *err);

/* Return true if these two are one file. */
bool hf_record_file_same(const struct hf_record_file *a, const struct hf_record_file *b);

/* Check the directory. HF_NO: the path now leads to another directory, or to none: open it again.
 */
enum hf_status hf_record_file_check_place(const struct hf_record_file *f, struct hf_err *err);

/* Check a file that was absent when its lock was taken. HF_NO: it exists now. */
enum hf_status hf_record_file_check_absent(const struct hf_record_file *f, struct hf_err *err);

/* Add the file's lock to the set, or to another set when that is made again. */
enum hf_status hf_record_file_add(struct hf_record_file *f, struct hf_lockset *set,
				  struct hf_err *err);

/* Check the file, under the set. *found is the hash of its content, "" if it is absent. HF_DATA: it
 * must not be replaced, or another database's log is beside a snapshot. */
enum hf_status hf_record_file_look(struct hf_record_file *f, const struct hf_wait *wait,
				   char found[65], struct hf_err *err);

/* Write what the record has for this file: its content, or a snapshot of the database. */
enum hf_status hf_record_file_write(const struct hf_record_file *f, int fd, const char *database,
				    const struct hf_wait *wait, struct hf_err *err);

/* Write the new content. Fills in the plan's mode, hashes, old_size, seen and place. */
enum hf_status hf_record_file_stage(struct hf_record_file *f, const char found[65],
				    const char *database, const struct hf_wait *wait,
				    struct hf_err *err);

/* Give a staged append the mark as its name. HF_NO: another user has that name; choose another. */
enum hf_status hf_record_file_mark(struct hf_record_file *f, const char *mark, struct hf_err *err);

/* Give the file its new content. HF_BUSY with errnum EEXIST: another process created, replaced or
 * moved it without its lock. */
enum hf_status hf_record_file_apply(struct hf_record_file *f, struct hf_err *err);

/* Return a descriptor of the content in place or staged; -1: none. */
int hf_record_file_content(const struct hf_record_file *f);

/* Add the names of all files that were applied, or found done, to the batch of syncs. */
enum hf_status hf_record_files_sync(const struct hf_record_file *files, size_t count,
				    struct hf_sync_batch *due, struct hf_err *err);

/* Discard what is staged. hf_record_file_close() releases everything. */
void hf_record_file_unstage(struct hf_record_file *f);
void hf_record_file_close(struct hf_record_file *f);

#endif
