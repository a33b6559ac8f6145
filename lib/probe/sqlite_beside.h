/* SPDX-License-Identifier: ISC */
#ifndef HF_SQLITE_BESIDE_H
#define HF_SQLITE_BESIDE_H

/*
 * SQLite's own files beside a database: DB-journal, DB-wal, DB-shm. May they be believed?
 *
 * SQLite plays back a journal or a log that it finds, whoever has put it there. In a directory in
 * which other users can make files (a sticky one, as /tmp, included) that is a way to write to a
 * database without the right to. Such a file is used only if it is a regular file with one name,
 * its owner is trusted as base/side_file.h says, and no user may write to it who may not write to
 * the database. Other than with files of holdfast's, it may be readable to more users: a mode of
 * the database that was changed under an open connection leaves it so.
 *
 * The database is never opened, but by O_PATH: closing that drops none of the locks that SQLite has
 * in this process. Nothing is changed or waited for. Thread-safe; not async-signal-safe.
 */

#include "base/side_file.h"

/* The suffix of such a name, in it; NULL: it is none. */
const char *hf_sqlite_suffix(const char *name);

/* Why is fd, which is beside trust's database and has this stat, not to be used? NULL: it is. */
const char *hf_sqlite_distrusts(struct hf_trust *trust, int fd, const struct stat *st);

/* The entry `name` of dir, by O_PATH and not through a link; -1. */
int hf_sqlite_open_path(int dir, const char *name);

/* HF_NOPERM: one of the three is there, and not to be used; err names it, and its owner. Other
 * failures to look are no reason to refuse: SQLite meets them too. */
enum hf_status hf_sqlite_check_beside(const char *path, struct hf_err *err);

/* The error: "cannot use database 'DB': 'NAME' beside it belongs to …". */
enum hf_status hf_sqlite_refuse_beside(const char *path, const char *name, uid_t owner,
				       const char *why, struct hf_err *err);

#endif
