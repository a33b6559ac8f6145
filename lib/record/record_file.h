/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_FILE_H
#define HF_RECORD_FILE_H

/*
 * One file of a record, from the user's path to its new content in place.
 *
 *	open	its directory; what cannot be replaced, and the database itself, is refused
 *	lock	the file's own lock, in the set (the kind below). An absent file has none: the
 *		turnstile keeps the other recorders away, and it is created by a rename that
 *		replaces nothing
 *	check	once all locks are held, and again before the COMMIT: is an absent file still
 *		absent, and does the path still lead to this directory?
 *	look	what is there now: refused? if_match? its hash
 *	stage	the new content, in a file without a name, with its attributes; the caller has
 *		it synced before the COMMIT
 *	mark	of an append: the staged file gets the name of its mark (record/record_mark.h)
 *	---	COMMIT
 *	apply	the staged file gets its name, or the old one is removed
 *	sync	the directories, each once
 *
 * The kind of lock is that of atomic/target_lock.h, made fit for a set: the target's inode is its
 * identity (so several are taken in one order), and one that is replaced while it is waited for
 * starts the set again. Never satisfied by inheritance. An absent target is held as soon as it is
 * looked at.
 *
 * An append is a replacement by a copy with the record behind it, as in holdfast/append.h; what a
 * dead appender left is settled first. Those who append meanwhile by atomic-append wait for the
 * lock.
 *
 * A crash leaves the mark of an append, and from apply on at most one temporary name, which the
 * next process to replace the file removes (holdfast/atomic.h, A2). Blocks and errors as
 * holdfast/atomic.h. Not thread-safe.
 */

#include <holdfast/atomic.h>
#include "git/sync_batch.h"
#include "record/intent.h"
#include <holdfast/lockset.h>

struct hf_record_file {
	struct hf_intent_file *plan; /* what is to be done; stage fills in mode and hashes */
	const char *path;	     /* for messages; borrowed */
	const char *if_match;
	struct hf_target target; /* dir -1: not open */
	struct stat dir_st;
	bool shares_dir;      /* target.dir is another file's of this record */
	struct hf_lock *lock; /* in the set; NULL: not yet */

	/* as looked at, under the lock */
	bool present;
	int fd; /* the lock's */
	struct stat st;
	int committed; /* by recovery: what of it is the record's, in memory; or -1 */

	struct hf_atomic_options options;
	char mode[8]; /* of options */
	struct hf_atomic atomic;
	bool parents; /* missing directories are made */
	bool staged, applied;
	bool marked;	 /* the staged file has the mark's name */
	bool kept;	 /* the mark may be an intent's: it is not removed */
	bool found_mark; /* by recovery: the mark is there, and is to be replaced */
	bool found_done; /* by recovery: what is there is what was to be */
	bool later;	 /* the caller has the content synced */
};

/* The files that are one database: DB, DB-wal and so on. */
struct hf_record_database {
	struct stat dir, file; /* st_nlink 0: absent */
	char name[NAME_MAX + 1];
};

/* Where is it? */
enum hf_status hf_record_database_find(struct hf_record_database *database, const char *path,
				       struct hf_err *err);

/* f->plan and f->path are set. parents: make missing directories. */
enum hf_status hf_record_file_open(struct hf_record_file *f,
				   const struct hf_record_database *database, bool parents,
				   struct hf_err *err);

/* Use the directory of one of these files, which stay open as long, if it is the same. */
void hf_record_file_share(struct hf_record_file *f, const struct hf_record_file *files,
			  size_t count);

/* The absolute path of what will be replaced, links followed; to be freed. */
enum hf_status hf_record_file_real(const struct hf_record_file *f, char **real, struct hf_err *err);

/* Are these two one file? */
bool hf_record_file_same(const struct hf_record_file *a, const struct hf_record_file *b);

/* HF_NO: the path leads to another directory by now, or to none: open it again. */
enum hf_status hf_record_file_check_place(const struct hf_record_file *f, struct hf_err *err);

/* Open it again, when it was closed. HF_BUSY: its directory is not there. */
enum hf_status hf_record_file_open_again(struct hf_record_file *f,
					 const struct hf_record_database *database,
					 struct hf_err *err);

/* It was found absent when its lock was taken. HF_NO: it is there now. */
enum hf_status hf_record_file_check_absent(const struct hf_record_file *f, struct hf_err *err);

/* Add its lock to the set, or to another one, once that is made anew. */
enum hf_status hf_record_file_add(struct hf_record_file *f, struct hf_lockset *set,
				  struct hf_err *err);

/* Is the snapshot to be SQL text, by its name? */
bool hf_record_file_is_text(const struct hf_record_file *f);

/* The set is held. *found is the hash of what is there, "" for nothing. HF_DATA: it may not be
 * replaced, or another database's log lies beside a snapshot. */
enum hf_status hf_record_file_look(struct hf_record_file *f, const struct hf_wait *wait,
				   char found[65], struct hf_err *err);

/* The new content. make(context, fd) writes a snapshot; NULL for all else. Fills in the plan's
 * mode, old, old_size, fresh, seen and place. */
enum hf_status hf_record_file_stage(struct hf_record_file *f, const char found[65],
				    enum hf_status (*make)(void *context, int fd,
							   struct hf_err *err),
				    void *context, struct hf_err *err);

/* A staged append gets the mark as its name. HF_NO: that name is another user's; choose another. */
enum hf_status hf_record_file_mark(struct hf_record_file *f, const char *mark, struct hf_err *err);

/* HF_BUSY with errnum EEXIST: another process created, replaced or moved it without its lock. */
enum hf_status hf_record_file_apply(struct hf_record_file *f, struct hf_err *err);

/* A descriptor of the content that is in place, or staged; -1: none. */
int hf_record_file_content(const struct hf_record_file *f);

/* The names of all that was applied, or found done, are to be durable. */
enum hf_status hf_record_files_sync(const struct hf_record_file *files, size_t count,
				    struct hf_sync_batch *due, struct hf_err *err);

/* Drop what is staged; then, or instead, all. */
void hf_record_file_unstage(struct hf_record_file *f);
void hf_record_file_close(struct hf_record_file *f);

#endif
