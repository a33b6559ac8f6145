/* SPDX-License-Identifier: ISC */
#ifndef HF_DOT_FILE_H
#define HF_DOT_FILE_H

/*
 * The steps of a dotlock, as one protocol needs them (holdfast/lock_dot.h has the rules D1 to D5):
 *
 *	look	open what PATH names, for reading
 *	link	D1: a new record, complete and locked, becomes PATH where there is none
 *	replace	D4: it becomes PATH in place of one that was judged stale, and that is locked
 *	remove	D2: PATH goes, if it names the inode that is locked
 *
 * A new record is staged once and kept for the next try; just before it is linked, its time is
 * written and it is locked, and nobody waits for that. Nothing here waits.
 *
 * The content is not synced: after a power cut PATH may be there without it. So the boot and the
 * host are an extended attribute too (HF_DOT_XATTR, "BOOT HOST"), which comes to the disk no later
 * than the name does. Thread-safe; not async-signal-safe.
 */

#include <sys/stat.h>

#include "stale/lock_owner.h"
#include <holdfast/err.h>
#include <holdfast/path.h>

struct hf_dot_new {
	int fd; /* -1: none is staged */
	char name[NAME_MAX + 1]; /* where it had to have one */
	const char *purpose;	 /* what the lock is for, one line; or NULL */
	struct hf_lock_owner_info record;
	int64_t written; /* by hf_now() */
};

/* HF_OK: *fd is open (close-on-exec) and *st describes it. HF_NO: there is none. HF_NOPERM: there
 * is one, and it may not be read. HF_DATA: a symbolic link, or not a regular file. */
enum hf_status hf_dot_look(const struct hf_target *target, int *fd, struct stat *st,
			   struct hf_err *err);

/* Does PATH name the open file? */
bool hf_dot_names(const struct hf_target *target, int fd);

/* Make the new record, written and locked, if there is none yet: what can be done before does not
 * keep the next one waiting. */
enum hf_status hf_dot_stage(const struct hf_target *target, struct hf_dot_new *new,
			    struct hf_err *err);

/* HF_OK: PATH is ours, and *fd holds it; nothing is staged any more. HF_NO: PATH is there already,
 * and the new record is kept for another try. */
enum hf_status hf_dot_link(const struct hf_target *target, struct hf_dot_new *new, int *fd,
			   struct hf_err *err);

/* old is open on what was judged, and holds its lock. HF_OK: as above, and old has no name any
 * more. HF_NO: PATH is not old any more: look again. HF_BUSY, without a message: another one is in
 * the middle of a takeover (of what PATH named before, since somebody broke D2); he needs no more
 * than an instant, unless he is stopped. */
enum hf_status hf_dot_replace(const struct hf_target *target, struct hf_dot_new *new, int old,
			      int *fd, struct hf_err *err);

/* That other one; 0: he is not known, or done. */
pid_t hf_dot_rival(const struct hf_target *target);

/* Remove PATH if it names fd. false: it does not, or cannot be removed (errno). */
bool hf_dot_remove(const struct hf_target *target, int fd);

/* The same of one that was lent (holdfast/lock.h), and close fd: whoever works under it still has
 * it locked, and then PATH stays, to be found stale when he has ended. Whoever else has it locked
 * now sees that its owner lives, and leaves it. */
void hf_dot_give_back(const struct hf_target *target, int fd);

/* Remove what a takeover that was killed left. */
void hf_dot_reap(const struct hf_target *target);

void hf_dot_discard(const struct hf_target *target, struct hf_dot_new *new);

#endif
