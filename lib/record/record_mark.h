/* SPDX-License-Identifier: ISC */
#ifndef HF_RECORD_MARK_H
#define HF_RECORD_MARK_H

/*
 * The mark of an append that belongs to a record. It tells, after a crash, whether the append was
 * done. The content of FILE cannot tell that: two equal lines are two records, another program may
 * have appended an equal line, and the file may have been rotated or restored since.
 *
 * The mark is a name in FILE's directory, ".holdfast.NAME.ID.record". ID is made from the
 * database's identity (base/file_id.h), so that a copy of the database has another ID. The intent
 * (record/intent.h) has the name's end.
 *
 *	before COMMIT	the recorder gives the staged file the mark as its name, and syncs the
 *			directory
 *	COMMIT		the intent is durable
 *	afterwards	renameat2(2) with RENAME_EXCHANGE exchanges the mark and FILE. This one
 *			step replaces FILE, and fails if FILE was moved away. Then the mark's name
 *			stands for the old file, and is removed. An absent FILE is created by
 *			RENAME_NOREPLACE, and a file system without RENAME_EXCHANGE gets rename(2):
 *			both take the mark away
 *	recovery	stages a new file from FILE as it is now, exchanges it with the mark, and
 *			goes on as above
 *
 * M1  The mark is durable before the intent is.
 * M2  The mark exists, and is not the file that FILE was before: the append is not done. Otherwise
 *     it is done, whatever FILE is now.
 * M3  Between COMMIT and that step the mark is never absent. Recovery replaces it by an exchange,
 *     which fails if the append was done in between, and by a plain rename where the file system
 *     cannot exchange.
 * M4  The content of a mark that recovery finds is never used.
 * M5  A mark without an intent is a leftover of a recorder that died before its COMMIT, or after
 *     the exchange. The next record of the same database and FILE removes it. A mark that an
 *     unfinished intent names is not reused: the next record appends "-1", "-2", … to ID.
 * M6  No other program needs the mark, and none may remove it: only the database knows whether the
 *     record was committed. A mark from a user who may not write FILE (base/side_file.h) counts as
 *     absent.
 * M7  If the mark is absent, but FILE is the file that it was before (base/file_id.h)
 *     with its old content, another program removed the mark, and recovery appends. If FILE is
 *     that file with other content, if its file system cannot tell files apart, or if FILE's
 *     directory is another one than before, it cannot be known. Then recovery leaves FILE alone,
 *     puts the text beside it, and reports that.
 *
 * If the exchange finds that another program replaced FILE since its last check, it is undone. Two
 * windows remain, each of a few microseconds: a crash before that is undone, and, on a file system
 * without RENAME_EXCHANGE, a program that moves FILE away between the last check and the rename.
 *
 * Never waits. A crash leaves the mark, and in recovery also a temporary name. The caller holds
 * the database's turnstile, and FILE's lock if FILE exists. Errors: HF_BUSY with errnum EEXIST if
 * FILE was created, replaced or moved since it was locked, or if the mark is gone; else
 * holdfast/err.h.
 */

#include "base/file_id.h"
#include "record/intent.h"
#include <holdfast/path.h>

/* Make the ID of the database at this path, which exists. */
enum hf_status hf_mark_database(const char *database, char id[HF_MARK_ID], struct hf_err *err);

/* The end of a mark's name: "ID.record", or with slot > 0 "ID-SLOT.record". */
void hf_mark_name(const char id[HF_MARK_ID], unsigned int slot, char mark[HF_MARK_SIZE]);

/* Write the identity of a file or a directory (base/file_id.h). "" if fd is -1. */
enum hf_status hf_mark_identify(int fd, const char *path, char seen[HF_SEEN_SIZE],
				struct hf_err *err);

/* Are these one file? */
enum hf_same hf_mark_compare(const char *a, const char *b);

/* Give the staged file fd the mark as its only name. name is the one that it has, or "". old is
 * the target, or -1. HF_NO: another user's file has this name, use another slot. */
enum hf_status hf_mark_put(const struct hf_target *target, int old, int fd, const char *name,
			   const char *mark, struct hf_err *err);

/* M2: is the append still to be done? seen is the file that FILE was before, "" for none. old is
 * the target, or -1. A mark that is the old file itself is removed. */
enum hf_status hf_mark_look(const struct hf_target *target, int old, const char *mark,
			    const char *seen, bool *there, struct hf_err *err);

/* For recovery: put fd, which is staged and synced, in place of the mark. */
enum hf_status hf_mark_replace(const struct hf_target *target, int fd, const char *name,
			       const char *mark, struct hf_err *err);

/* The mark, which fd has open, becomes the target. old is the target's state as locked; NULL: it is
 * absent. */
enum hf_status hf_mark_take(const struct hf_target *target, int fd, const struct stat *old,
			    const char *mark, struct hf_err *err);

/* Remove the mark of a record that is not made, or that is given up. */
void hf_mark_remove(const struct hf_target *target, const char *mark);

#endif
