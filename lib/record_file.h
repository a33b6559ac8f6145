/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_FILE_H
#define HF_RECORD_FILE_H

/*
 * One file of a record, from the user's path to its new content in place.
 *
 *	open	its directory; what cannot be replaced, and the database itself, is refused
 *	lock	the file's own lock, in the set (the kind below). An absent file has none: the
 *		turnstile keeps the other recorders away, and it is created by a link that
 *		replaces nothing
 *	look	what is there now: refused? if_match? its hash
 *	stage	the new content, in a file without a name, with its attributes, synced (or so
 *		with the repository's objects, before the COMMIT)
 *	---	COMMIT
 *	apply	the staged file gets its name, or the old one is removed
 *	sync	the directories, each once
 *
 * The kind of lock is that of lock_target.h, made fit for a set: the target's inode is its identity
 * (so several are taken in one order), and one that is replaced while it is waited for starts the
 * set again. Never satisfied by inheritance. An absent target is held as soon as it is looked at,
 * and if it is there by the time that the others are had, the set starts again.
 *
 * An append is a replacement by a copy with the record behind it, as in append.h; what a dead
 * appender left is settled first. Those who append meanwhile by atomic-append wait for the lock.
 *
 * A crash leaves nothing until apply, and then at most a temporary name, which the next one to
 * replace the file removes (atomic.h, A2). Blocks and errors as atomic.h. Not thread-safe.
 */

#include "atomic.h"
#include "due.h"
#include "intent.h"
#include "lockset.h"

struct hf_record_file {
	struct hf_intent_file *plan; /* what is to be done; stage fills in mode and hashes */
	const char *path;	     /* for messages; borrowed */
	const char *if_match;
	struct hf_target target; /* dir -1: not open */
	struct hf_lock *lock;	 /* in the set; NULL: not yet */

	/* as looked at, under the lock */
	bool present;
	int fd; /* the lock's */
	struct stat st;
	int committed; /* by recovery: what of it is the record's, in memory; or -1 */

	struct hf_atomic_options options;
	char mode[8]; /* of options */
	struct hf_atomic atomic;
	bool staged, applied;
	bool found_done; /* by recovery: what is there is what was to be */
	bool later;	 /* there is a repository: record_git.h has content and directory synced */
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

/* The absolute path of what will be replaced, links followed; to be freed. */
enum hf_status hf_record_file_real(const struct hf_record_file *f, char **real,
				   struct hf_err *err);

/* Are these two one file? */
bool hf_record_file_same(const struct hf_record_file *a, const struct hf_record_file *b);

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
 * mode, old, old_size and fresh. */
enum hf_status hf_record_file_stage(struct hf_record_file *f, const char found[65],
				    enum hf_status (*make)(void *context, int fd,
							   struct hf_err *err),
				    void *context, struct hf_err *err);

/* HF_BUSY with errnum EEXIST: somebody else created or replaced it without its lock. */
enum hf_status hf_record_file_apply(struct hf_record_file *f, struct hf_err *err);

/* A descriptor of the content that is in place, or staged; -1: none. */
int hf_record_file_content(const struct hf_record_file *f);

/* Make the names of all that was applied, or found done, durable; with due that is put off. */
enum hf_status hf_record_files_sync(const struct hf_record_file *files, size_t count,
				    struct hf_due *due, struct hf_err *err);

/* Drop what is staged; then, or instead, all. */
void hf_record_file_unstage(struct hf_record_file *f);
void hf_record_file_close(struct hf_record_file *f);

#endif
