/* SPDX-License-Identifier: ISC */
#include "sqlite/result_code.h"

#include <stddef.h>

/* The codes of sqlite3.h: the low byte is the primary code, the rest extends it. */
#define MORE(kind, n) ((kind) | (n) << 8)

enum {
	ERROR = 1,
	INTERNAL,
	PERM,
	ABORT,
	BUSY,
	LOCKED,
	NOMEM,
	READONLY,
	INTERRUPT,
	IOERR,
	CORRUPT,
	NOTFOUND,
	FULL,
	CANTOPEN,
	PROTOCOL,
	EMPTY,
	SCHEMA,
	TOOBIG,
	CONSTRAINT,
	MISMATCH,
	MISUSE,
	NOLFS,
	AUTH,
	FORMAT,
	RANGE,
	NOTADB,
};

#define SALVAGE                                                                                    \
	"stop all writers and copy the database, its -wal and its -journal before anything else",  \
		"then take the last sound backup, or salvage: sqlite3 DB .recover | sqlite3 new.db"

static const struct hf_db_code codes[] = {
	{MORE(BUSY, 2), HF_DB_RESTART, HF_BUSY, "another program wrote after this one had read",
	 {NULL}},
	{MORE(BUSY, 1), HF_DB_RETRY, HF_BUSY, "another program recovers it after a crash", {NULL}},
	{BUSY, HF_DB_RETRY, HF_BUSY, "another program has it locked", {NULL}},
	{PROTOCOL, HF_DB_RETRY, HF_BUSY, "too many programs begin to read it at once", {NULL}},

	{ERROR, HF_DB_NEVER, HF_DATA, NULL, {NULL}},
	{ABORT, HF_DB_NEVER, HF_DATA, NULL, {NULL}},
	{LOCKED, HF_DB_NEVER, HF_DATA, "a statement of this same connection is in the way", {NULL}},
	{SCHEMA, HF_DB_NEVER, HF_BUSY, "its schema was changed meanwhile", {NULL}},
	{TOOBIG, HF_DB_NEVER, HF_DATA, NULL,
	 {"a value or a statement has at most 1,000,000,000 bytes"}},
	{CONSTRAINT, HF_DB_NEVER, HF_DATA, NULL, {NULL}},
	{MISMATCH, HF_DB_NEVER, HF_DATA, NULL, {NULL}},
	{AUTH, HF_DB_NEVER, HF_DATA, NULL, {NULL}},
	{RANGE, HF_DB_NEVER, HF_USAGE, NULL, {NULL}},
	{INTERRUPT, HF_DB_NEVER, HF_BUSY, "interrupted", {NULL}},

	{MORE(CORRUPT, 3), HF_DB_NEVER, HF_DATA, "an index disagrees with its table",
	 {"stop all writers and copy the database first", "then: sqlite3 DB REINDEX",
	  "sqlite-check DB says what else is wrong"}},
	{CORRUPT, HF_DB_NEVER, HF_DATA, NULL, {SALVAGE, "sqlite-check DB says more"}},
	{NOTADB, HF_DB_NEVER, HF_DATA, "it is not a SQLite database",
	 {"or it is encrypted, or its beginning was overwritten",
	  "or a newer SQLite made it, in a format that this one does not know"}},

	{FULL, HF_DB_NEVER, HF_IO, "the disk is full, or the database at its greatest size",
	 {"nothing was changed; make room, and try again"}},
	{MORE(IOERR, 12), HF_DB_NEVER, HF_OS, "out of memory", {NULL}},
	{IOERR, HF_DB_NEVER, HF_IO, NULL,
	 {"the device or the file system failed: look at the kernel's log"}},
	{NOLFS, HF_DB_NEVER, HF_IO, NULL, {NULL}},
	{NOMEM, HF_DB_NEVER, HF_OS, "out of memory", {NULL}},

	{MORE(READONLY, 4), HF_DB_NEVER, HF_DATA,
	 "its file was replaced or removed while it was open",
	 {"whoever did that must not: a database is replaced by sqlite3's .restore"}},
	{MORE(READONLY, 3), HF_DB_NEVER, HF_NOPERM,
	 "a writer died in it, and without permission to write it cannot be recovered", {NULL}},
	{READONLY, HF_DB_NEVER, HF_NOPERM, "it is read only",
	 {"writing needs permission for the file and for its directory",
	  "or a newer SQLite made it, in a format that this one only reads"}},
	{PERM, HF_DB_NEVER, HF_NOPERM, NULL, {NULL}},
	{CANTOPEN, HF_DB_NEVER, HF_CANTCREAT, "it cannot be opened",
	 {"SQLite keeps -wal, -shm and -journal files beside it: is its directory writable?"}},

	{INTERNAL, HF_DB_NEVER, HF_BUG, NULL, {NULL}},
	{NOTFOUND, HF_DB_NEVER, HF_BUG, NULL, {NULL}},
	{MISUSE, HF_DB_NEVER, HF_BUG, NULL, {NULL}},
};

const struct hf_db_code *hf_db_code(int code)
{
	static const struct hf_db_code unknown = {0, HF_DB_NEVER, HF_BUG, NULL, {NULL}};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code || codes[i].code == (code & 0xff))
			return &codes[i];
	return &unknown;
}
