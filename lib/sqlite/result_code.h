/* SPDX-License-Identifier: ISC */
#ifndef HF_DB_CODE_H
#define HF_DB_CODE_H

/*
 * What a result code of SQLite means: whether trying again can help, which status stands for it,
 * and what its user can do. Every result is classified here, and nowhere else.
 *
 *	retry	somebody else works with the database: wait, and make the same call again. BUSY
 *		and its kinds BUSY_RECOVERY (a WAL is read in after a crash), BUSY_TIMEOUT; and
 *		PROTOCOL, which is a race for the WAL's read marks that was lost too often.
 *		At COMMIT (rollback journal, a reader is in the way) it is the COMMIT alone that is
 *		made again: the transaction stands.
 *	restart	BUSY_SNAPSHOT: what this transaction has read is no more the newest. Roll back,
 *		begin again. Waiting is of no use.
 *	never	all else. A syntax error, a constraint, a full disk, damage, and LOCKED: that is
 *		this very connection in its own way, and waiting would be for ever.
 *
 * The numbers are SQLite's, which are fixed ("Result and Error Codes", sqlite.org/rescode.html).
 * This room knows no more of SQLite than they, and needs no library. Thread-safe.
 */

#include <holdfast/err.h>

enum hf_db_class { HF_DB_NEVER, HF_DB_RETRY, HF_DB_RESTART };

struct hf_db_code {
	int code;	       /* the extended code, or the primary one for all the rest of it */
	enum hf_db_class class;
	enum hf_status status;
	const char *why;       /* NULL: SQLite's own message says it */
	const char *advice[3]; /* up to the first NULL */
};

/* Never NULL: a code that no table knows is HF_BUG's. */
const struct hf_db_code *hf_db_code(int code);

#endif
