/* SPDX-License-Identifier: ISC */
#ifndef HF_SQL_SHM_H
#define HF_SQL_SHM_H

/*
 * DB-shm, the index of SQLite's write-ahead log, on a full disk.
 *
 * SQLite maps that file into memory, and writes to it by ordinary stores. Where a store needs a
 * block and the file system has none left, the kernel sends SIGBUS, which kills the process.
 * SQLite takes precautions: it writes one byte into each 4096 bytes of a new file. Where the blocks
 * of the file system are smaller (ext4 makes them 1024 bytes on a small device), three of four stay
 * holes. So
 *
 *	M1  before such a mapping is handed to SQLite, its holes are filled (fallocate(2), or where
 *	    the file system has no such call, by writing to the pages: MADV_POPULATE_WRITE). Where
 *	    that fails, the mapping fails, with ENOSPC, before anything was done.
 *	M2  A block can be missing all the same: where each write needs a new one (btrfs), or the
 *	    disk fails. A SIGBUS in such a mapping ends the process by a message and an exit
 *	    status that says what was done (hf_sql_shm_says()). The locks are free then, as after
 *	    any death, and SQLite's next connection recovers the log. A SIGBUS elsewhere kills, as
 *	    ever.
 *
 * Both are in force for all connections of this process, M2 only where the program has no handler
 * of its own. Thread-safe but for hf_sql_shm_says().
 */

#include <holdfast/err.h>

/* Put it in force. Any number of times. */
void hf_sql_shm_guard(void);

/* What the exit status of M2 is from now on: HF_IO, nothing was done; HF_UNKNOWN, a COMMIT is under
 * way; HF_UNCERTAIN, something was committed. Returns what it was. */
enum hf_status hf_sql_shm_says(enum hf_status status);

#endif
