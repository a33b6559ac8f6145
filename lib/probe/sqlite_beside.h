/* SPDX-License-Identifier: ISC */
#ifndef HF_SQLITE_BESIDE_H
#define HF_SQLITE_BESIDE_H

/*
 * May SQLite's own files beside a database (DB-journal, DB-wal, DB-shm) be trusted?
 *
 * A file is trusted if it is regular and has one link, its owner is trusted (base/side_file.h), and
 * no user may write it who may not write the database. More users may be able to read it.
 *
 * The database is opened with O_PATH only, so SQLite's locks in this process stay. Changes and
 * waits for nothing. Thread-safe; not async-signal-safe.
 */

#include "base/side_file.h"

/* Return the suffix within such a name; NULL: it is not one. */
const char *hf_sqlite_suffix(const char *name);

/* Return why fd, which is beside trust's database and has this stat, may not be used, or NULL. */
const char *hf_sqlite_distrusts(struct hf_trust *trust, int fd, const struct stat *st);

/* Open the entry `name` of dir with O_PATH, without following a link. -1 with errno. */
int hf_sqlite_open_path(int dir, const char *name);

/* HF_NOPERM: one of the three files exists and may not be used; err names it and its owner. Other
 * failures of the check are ignored: SQLite meets them too. */
enum hf_status hf_sqlite_check_beside(const char *path, struct hf_err *err);

/* Set the error "cannot use database 'DB': 'NAME' beside it belongs to …". */
enum hf_status hf_sqlite_refuse_beside(const char *path, const char *name, uid_t owner,
				       const char *why, struct hf_err *err);

#endif
