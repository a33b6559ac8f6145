/* SPDX-License-Identifier: ISC */
#ifndef HF_SQLITE_LOCKS_H
#define HF_SQLITE_LOCKS_H

/*
 * What SQLite's connections do at this moment, from the bytes that they lock: which one writes,
 * checkpoints or recovers, and which readers pin the write-ahead log.
 *
 * README.md lists the bytes and the rules (probe/Q1 to Q3). A process that has the database open
 * through SQLite must not use this module: closing a file releases its locks (probe/Q3).
 *
 * A snapshot. Never waits. hf_sqlite_writer() takes a few system calls once the files are open;
 * hf_sqlite_users_read() reads /proc/locks. Thread-safe.
 */

#include <stdbool.h>
#include <sys/types.h>

#include <holdfast/err.h>
#include <holdfast/path.h>

enum hf_sqlite_role {
	HF_SQLITE_CONNECTS,    /* has it open and does nothing now (WAL) */
	HF_SQLITE_READS,       /* WAL: `slot` is 0 to 4; otherwise -1 */
	HF_SQLITE_WRITES,      /* in a write transaction */
	HF_SQLITE_PENDS,       /* waits for readers to finish, and keeps new ones out */
	HF_SQLITE_COMMITS,     /* writes to the database file itself: exclusive */
	HF_SQLITE_CHECKPOINTS, /* copies the log into the database file */
	HF_SQLITE_RECOVERS,    /* rebuilds the log's index after a crash */
};

struct hf_sqlite_user {
	enum hf_sqlite_role role;
	int slot;
	pid_t pid; /* 0: a process that this one may not see */
};

struct hf_sqlite_users {
	struct hf_sqlite_user *at;
	size_t count;
	bool wal; /* a DB-shm exists */
};

/* Return "writes to it", "reads it", …, to follow the name of a process. */
const char *hf_sqlite_does(enum hf_sqlite_role role);

/* The files of one database, open to be tested. */
struct hf_sqlite_probe {
	int db, shm; /* -1: absent */
};

/* Open the files of a database. HF_OK: opened, or the database is absent. HF_NOPERM and others: it
 * cannot be opened. Each test reopens a file that is absent or is another one now. */
enum hf_status hf_sqlite_probe_open(struct hf_sqlite_probe *look, const struct hf_target *db,
				    struct hf_err *err);
void hf_sqlite_probe_close(struct hf_sqlite_probe *look);

/* Return true if a process writes to the database or recovers it; *user describes it. */
bool hf_sqlite_writer(struct hf_sqlite_probe *look, const struct hf_target *db,
		      struct hf_sqlite_user *user);

/* Return true if a lock of any kind is held on SQLite's bytes of this file. */
bool hf_sqlite_is_locked(int db);

/* List all users, sorted by PID, then by role. */
enum hf_status hf_sqlite_users_read(const struct hf_target *db, struct hf_sqlite_users *users,
				    struct hf_err *err);
void hf_sqlite_users_free(struct hf_sqlite_users *users);

#endif
