/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_CHECK_H
#define HF_DB_CHECK_H

/*
 * Check that a database is intact and is used correctly.
 *
 *	damage	SQLite itself finds an error
 *	finding	nothing is wrong yet, but action is needed
 *	note	good to know
 *
 * First from outside (file system, hard links, the log and its users), then from inside, in one
 * snapshot (integrity, foreign keys, unfinished records), then with Git: is it tracked? Takes only
 * a reader's locks, and leaves the log.
 *
 * A database that cannot be opened is an error: HF_DATA for a file that is not a database. Runs
 * git(1). For single-threaded programs.
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
	int64_t log;	  /* size of -wal in bytes */
	bool out_of_memory;
};

enum hf_status hf_check_run(struct hf_check *check, const char *path, const struct hf_wait *wait,
			    struct hf_err *err);
void hf_check_free(struct hf_check *check);

/* Repair what can be repaired without loss: under the turnstile, copy the log into the database and
 * empty it. HF_BUSY: a reader still needs the log. */
enum hf_status hf_check_fix(const char *path, const struct hf_wait *wait, struct hf_err *err);

/* Return a bug of this SQLite version (3040001) that can damage a database in WAL mode, or NULL. */
const char *hf_check_version(int version);

#endif
