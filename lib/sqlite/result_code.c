/* SPDX-License-Identifier: ISC */
#include "sqlite/result_code.h"

#include <sqlite3.h>
#include <stddef.h>

#define SALVAGE                                                                                    \
	"stop all writers and copy the database, its -wal and its -journal before anything else",  \
		"then take the last sound backup, or salvage: sqlite3 DB .recover | sqlite3 "      \
		"new.db"

static const struct hf_db_code codes[] = {
	{SQLITE_BUSY_SNAPSHOT, HF_DB_RESTART, HF_BUSY,
	 .why = "another program has written since this one read"},
	{SQLITE_BUSY_RECOVERY, HF_DB_RETRY, HF_BUSY,
	 .why = "another program recovers it after a crash"},
	{SQLITE_BUSY, HF_DB_RETRY, HF_BUSY, .why = "another program has it locked"},
	{SQLITE_PROTOCOL, HF_DB_RETRY, HF_BUSY,
	 .why = "too many programs begin to read it at once"},

	{SQLITE_ERROR, HF_DB_NEVER, HF_DATA, .why = NULL},
	{SQLITE_ABORT, HF_DB_NEVER, HF_DATA, .why = NULL},
	{SQLITE_LOCKED, HF_DB_NEVER, HF_DATA,
	 .why = "another statement of this connection uses it"},
	{SQLITE_SCHEMA, HF_DB_NEVER, HF_BUSY, .why = "its schema was changed concurrently"},
	{SQLITE_TOOBIG, HF_DB_NEVER, HF_DATA,
	 .advice = {"a value or a statement has at most 1,000,000,000 bytes"}},
	{SQLITE_CONSTRAINT, HF_DB_NEVER, HF_DATA, .why = NULL},
	{SQLITE_MISMATCH, HF_DB_NEVER, HF_DATA, .why = NULL},
	{SQLITE_AUTH, HF_DB_NEVER, HF_DATA, .why = NULL},
	{SQLITE_RANGE, HF_DB_NEVER, HF_USAGE, .why = NULL},
	{SQLITE_INTERRUPT, HF_DB_NEVER, HF_BUSY, .why = "interrupted"},

	{SQLITE_CORRUPT_INDEX, HF_DB_NEVER, HF_DATA, .why = "an index disagrees with its table",
	 .advice = {"stop all writers and copy the database first", "then: sqlite3 DB REINDEX",
		    "sqlite-check DB reports what else is wrong"}},
	{SQLITE_CORRUPT, HF_DB_NEVER, HF_DATA,
	 .advice = {SALVAGE, "sqlite-check DB reports details"}},
	{SQLITE_NOTADB, HF_DB_NEVER, HF_DATA, .why = "it is not a SQLite database",
	 .advice = {"or it is encrypted, or its beginning was overwritten",
		    "or a newer SQLite made it, in a format that this one does not know"}},

	{SQLITE_FULL, HF_DB_NEVER, HF_IO,
	 .why = "the disk is full, or the database has its maximum size",
	 .advice = {"nothing was changed; free some space, and try again"}},
	{SQLITE_IOERR_NOMEM, HF_DB_NEVER, HF_OS, .why = "out of memory"},
	{SQLITE_IOERR, HF_DB_NEVER, HF_IO,
	 .advice = {"read the kernel's log: the device or the file system failed"}},
	{SQLITE_NOLFS, HF_DB_NEVER, HF_IO, .why = NULL},
	{SQLITE_NOMEM, HF_DB_NEVER, HF_OS, .why = "out of memory"},

	{SQLITE_READONLY_DBMOVED, HF_DB_NEVER, HF_DATA,
	 .why = "its file was replaced or removed while it was open",
	 .advice = {"never replace or remove an open database: use sqlite3's .restore"}},
	{SQLITE_READONLY_ROLLBACK, HF_DB_NEVER, HF_NOPERM,
	 .why = "a writer died in it, and without permission to write it cannot be recovered"},
	{SQLITE_READONLY, HF_DB_NEVER, HF_NOPERM, .why = "it is read only",
	 .advice = {"writing needs permission for the file and for its directory",
		    "or a newer SQLite made it, in a format that this one only reads"}},
	{SQLITE_PERM, HF_DB_NEVER, HF_NOPERM, .why = NULL},
	{SQLITE_CANTOPEN, HF_DB_NEVER, HF_CANTCREAT, .why = "it cannot be opened",
	 .advice = {"check whether its directory is writable: SQLite keeps -wal, -shm and -journal "
		    "files beside it"}},

	/* any other code is a fault of this program */
	{0, HF_DB_NEVER, HF_BUG, .why = NULL},
};

const struct hf_db_code *hf_db_code(int code)
{
	const struct hf_db_code *entry = codes;

	while (entry->code && entry->code != code && entry->code != (code & 0xff))
		entry++;
	return entry;
}
