/* SPDX-License-Identifier: ISC */
#ifndef HF_SQLITE_LOCKS_H
#define HF_SQLITE_LOCKS_H

/*
 * What SQLite's connections do at this moment, from the locks that they hold: who writes, who
 * checkpoints, who recovers, which readers pin the write-ahead log.
 *
 * SQLite locks bytes by fcntl(2) (os_unix.c, wal.c):
 *
 *	DB		1073741824	PENDING		a writer waits for readers to end
 *			1073741825	RESERVED	a writer, before its commit
 *			+2 to +511	SHARED		read: a reader; in WAL mode: a connection
 *							write: a writer, committing
 *	DB-shm		120		WRITE		a writer, in WAL mode
 *			121		CKPT		a checkpointer
 *			122		RECOVER		the log is being recovered
 *			123 to 127	READ0 to READ4	a reader; all but READ0 pin the log
 *
 *	Q1  Nothing is opened through SQLite: its last close checkpoints and deletes the log, which
 *	    a look must not do.
 *	Q2  Nothing is locked. Whether there is a writer is asked (F_OFD_GETLK, of a read lock,
 *	    which only write locks are in the way of). It answers with a PID; with none where the
 *	    writer is in another PID namespace, or holds an open file description lock.
 *	Q3  Closing a file drops all fcntl(2) locks that the process holds on it. So this is only
 *	    for processes that do not have the database open through SQLite.
 *
 * A snapshot. Never waits. hf_sqlite_writer() is a few system calls once the files are open;
 * hf_sqlite_users() reads /proc/locks. Thread-safe.
 */

#include <stdbool.h>
#include <sys/types.h>

#include <holdfast/err.h>
#include <holdfast/path.h>

enum hf_sqlite_role {
	HF_SQLITE_CONNECTS,    /* has it open, and does nothing now (WAL) */
	HF_SQLITE_READS,       /* WAL: `slot` is 0 to 4; else -1 */
	HF_SQLITE_WRITES,      /* a write transaction */
	HF_SQLITE_PENDS,       /* it waits for readers to end, and keeps new ones out */
	HF_SQLITE_COMMITS,     /* it writes to the file itself: exclusive */
	HF_SQLITE_CHECKPOINTS, /* it copies the log into the file */
	HF_SQLITE_RECOVERS,    /* it rebuilds the log's index after a crash */
};

struct hf_sqlite_user {
	enum hf_sqlite_role role;
	int slot;
	pid_t pid; /* 0: a process that may not be seen */
};

struct hf_sqlite_users {
	struct hf_sqlite_user *at;
	size_t count;
	bool wal; /* there is a DB-shm */
};

/* "writes to it", "reads it", …: behind the name of a process. */
const char *hf_sqlite_does(enum hf_sqlite_role role);

/* The files of one database, open to be asked. */
struct hf_sqlite_probe {
	int db, shm; /* -1: absent */
};

/* HF_OK also where the database is absent. HF_NOPERM and others: it cannot be asked. At every
 * question both are opened again where they are absent, or others by now. */
enum hf_status hf_sqlite_probe_open(struct hf_sqlite_probe *look, const struct hf_target *db,
				    struct hf_err *err);
void hf_sqlite_probe_close(struct hf_sqlite_probe *look);

/* Is a writer at work, or one that recovers? *user says who. */
bool hf_sqlite_writer(struct hf_sqlite_probe *look, const struct hf_target *db,
		      struct hf_sqlite_user *user);

/* Is a lock of any kind held on the lock bytes of this file? */
bool hf_sqlite_is_locked(int db);

/* All of them, in the order of PIDs; the lowest role of a PID first. */
enum hf_status hf_sqlite_users_read(const struct hf_target *db, struct hf_sqlite_users *users,
				    struct hf_err *err);
void hf_sqlite_users_free(struct hf_sqlite_users *users);

#endif
