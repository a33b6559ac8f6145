/* SPDX-License-Identifier: ISC */
#ifndef HF_DOTLOCK_FILE_H
#define HF_DOTLOCK_FILE_H

/*
 * The steps of a dotlock (README.md has the rules lock/D1 to D5).
 *
 *	hf_dot_look	open the file that PATH names
 *	hf_dot_link	make a new, complete and locked file PATH where there is none (lock/D1)
 *	hf_dot_replace	make it PATH in place of one that is judged stale and locked (lock/D4)
 *	hf_dot_remove	remove PATH if it names the locked inode (lock/D2)
 *
 * A new file is prepared once and kept for the next try. Its content is not synced, so boot and
 * host are in HF_DOT_XATTR too. Nothing here waits. Thread-safe; not async-signal-safe.
 */

#include <sys/stat.h>

#include "stale/lock_owner.h"
#include <holdfast/err.h>
#include <holdfast/path.h>

struct hf_dot_new {
	int fd;			 /* -1: none is prepared */
	char name[NAME_MAX + 1]; /* its temporary name, if it needs one */
	const char *purpose;	 /* what the lock is for, one line; or NULL */
	struct hf_lock_owner_info record;
	int64_t written; /* hf_now() at the last write */
};

/* Open PATH. HF_OK: *fd is open (close-on-exec) and *st describes it. HF_NO: PATH does not exist.
 * HF_NOPERM: it may not be read. HF_DATA: a symbolic link, or not a regular file. */
enum hf_status hf_dot_look(const struct hf_target *target, int *fd, struct stat *st,
			   struct hf_err *err);

/* Prepare the new file, written and locked, unless there is one: work that is done early keeps no
 * waiter waiting. */
enum hf_status hf_dot_stage(const struct hf_target *target, struct hf_dot_new *new,
			    struct hf_err *err);

/* Link the new file to PATH. HF_OK: PATH is ours, and *fd holds it. HF_NO: PATH exists; the new
 * file is kept for another try. */
enum hf_status hf_dot_link(const struct hf_target *target, struct hf_dot_new *new, int *fd,
			   struct hf_err *err);

/*
 * Replace PATH. old is open on the judged file and holds its lock. HF_OK: as above, and old has no
 * name any more. HF_NO: PATH is not old any more; start again. HF_BUSY, without a message: another
 * process's takeover is in progress (of a file that PATH named earlier; some process broke
 * lock/D2). It needs an instant, unless it is stopped.
 */
enum hf_status hf_dot_replace(const struct hf_target *target, struct hf_dot_new *new, int old,
			      int *fd, struct hf_err *err);

/* Return the process of that takeover; 0 if it is unknown or done. */
pid_t hf_dot_rival(const struct hf_target *target);

/* Remove PATH if it names fd. Return false if it does not, or cannot be removed (errno). */
bool hf_dot_remove(const struct hf_target *target, int fd);

/* The same for a lock that was lent; closes fd. If a borrower still has it locked, PATH stays and
 * is found stale when the borrower has exited. Another process that locks it now sees that the
 * owner lives, and leaves it. */
void hf_dot_give_back(const struct hf_target *target, int fd);

/* Remove what a killed takeover left. */
void hf_dot_reap(const struct hf_target *target);

void hf_dot_discard(const struct hf_target *target, struct hf_dot_new *new);

#endif
