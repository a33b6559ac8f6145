/* SPDX-License-Identifier: ISC */
#ifndef HF_CHECK_H
#define HF_CHECK_H

/*
 * Is a database sound, and is it kept as a database must be?
 *
 * First it is looked at from outside, before SQLite opens it: the file system, hard links, the log
 * and who uses it, by the lock bytes (probe/sqlite_locks.h, Q3). Then from inside, in one snapshot
 * for reading: integrity and foreign keys, and what is left of records. Last whether Git tracks it.
 *
 *	damage	SQLite itself finds it wrong
 *	finding	nothing is wrong yet, but something is to be done
 *	note	good to know
 *
 * It does not disturb: nothing is locked but as a reader does, and a log that is there is left. (A
 * rollback journal that a dead writer left is rolled back by any opening, as always.) Writers of a
 * WAL database are not kept waiting; with a rollback journal a commit waits for the end of it.
 *
 * What cannot be opened at all is an error, and no finding: HF_DATA for what is no database.
 * Git is run, if the database lies in a worktree. For single-threaded tools.
 */

#include <stdint.h>

#include <holdfast/lock_wait.h>

enum hf_check_kind { HF_CHECK_NOTE, HF_CHECK_FINDING, HF_CHECK_DAMAGE };

struct hf_check_item {
	enum hf_check_kind kind;
	char text[400];
	char advice[400]; /* "": none */
};

struct hf_check {
	struct hf_check_item *items;
	size_t count;
	enum hf_check_kind worst;
	char journal[16]; /* "wal", "delete", … */
	int64_t log;	  /* bytes of -wal */
	bool out_of_memory;
};

enum hf_status hf_check_run(struct hf_check *check, const char *path, const struct hf_wait *wait,
			    struct hf_err *err);
void hf_check_free(struct hf_check *check);

/* What can be put in order without a loss: under the turnstile, the log is put into the database
 * and emptied. HF_BUSY: a reader needs it still. */
enum hf_status hf_check_fix(const char *path, const struct hf_wait *wait, struct hf_err *err);

/* Has this version of SQLite (3040001) a bug that can damage a database in WAL mode? Says which, or
 * NULL. */
const char *hf_check_version(int version);

#endif
